// Octets that no encoder would write: the decoder reads them, or throws HpackError; nothing else, within its limits, and in bounded time.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type HpackDecoder, HpackError } from "../../../src/http2/hpack/decoder.ts";
import type { FieldList } from "../../../src/http2/index.ts";
import { FIELD_NAME, FIELD_VALUE } from "../support/field-grammar.ts";
import { AnyEncoder, anyBlocks } from "./support/any-blocks.ts";
import { newDecoder } from "./support/blocks.ts";

const LIMITS = { maxListBytes: 2000, maxFields: 20 };
const PSEUDO_NAME = /^:[a-z]+$/;

/** Decodes; says whether the connection goes on, after looking at what came out. */
function goesOn(decoder: HpackDecoder, block: Buffer): boolean {
  let fields: FieldList;
  try {
    fields = decoder.decode(block);
  } catch (error) {
    assert.ok(error instanceof HpackError, String(error));
    return false;
  }
  const bytes = fields.reduce((sum, text) => sum + text.length + 16, 0);
  assert.ok(bytes <= LIMITS.maxListBytes && fields.length <= 2 * LIMITS.maxFields);
  assert.ok(decoder.listBytes >= bytes);
  const isGood = fields.every((text, index) =>
    index % 2 === 1 ? FIELD_VALUE.test(text) : FIELD_NAME.test(text) || PSEUDO_NAME.test(text),
  );
  if (decoder.fault === undefined) assert.ok(isGood && decoder.listBytes === bytes);
  if (decoder.fault === "field-name" || decoder.fault === "field-value")
    assert.ok(!isGood || bytes < decoder.listBytes);
  return true;
}

test("any octets are read within the limits, or are an HpackError", () => {
  const octet = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0x3f, 0x40, 0x00, 0x10, 0x80, 0xff, 0xbe, 0xc0, 0x7f, 0x81, 0x01, 0x02),
  );
  const block = fc.array(octet, { maxLength: 80 }).map((octets) => Buffer.from(octets));
  fc.assert(
    fc.property(fc.array(block, { maxLength: 8 }), (blocks) => {
      const decoder = newDecoder(LIMITS);
      for (const one of blocks) if (!goesOn(decoder, one)) return;
    }),
    { numRuns: 3000 },
  );
});

test("lawful blocks with octets changed, cut and put in are read within the limits, or are an HpackError", () => {
  const change = fc.record({
    at: fc.nat(),
    to: fc.integer({ min: 0, max: 255 }),
    how: fc.constantFrom("set", "cut", "put"),
  });
  fc.assert(
    fc.property(anyBlocks, fc.array(change, { maxLength: 4 }), fc.nat(11), (blocks, changes, spoilt) => {
      const encoder = new AnyEncoder();
      const decoder = newDecoder(LIMITS);
      for (const [index, one] of blocks.entries()) {
        let block = encoder.encode(one);
        for (const { at, to, how } of index === spoilt ? changes : []) {
          const place = block.length === 0 ? 0 : at % block.length;
          const head = block.subarray(0, place);
          if (how === "cut") block = head;
          else block = Buffer.concat([head, Buffer.from([to]), block.subarray(how === "put" ? place : place + 1)]);
        }
        if (!goesOn(decoder, block)) return;
      }
    }),
    { numRuns: 500 },
  );
});

test("a block that is cut anywhere but between fields is an HpackError, and between fields it is a shorter list", () => {
  fc.assert(
    fc.property(anyBlocks, (blocks) => {
      const block = new AnyEncoder().encode(blocks[0] ?? { sizes: [], fields: ["x", "y"], choices: [] });
      for (let end = 0; end < Math.min(block.length, 300); end += 1) {
        const decoder = newDecoder();
        try {
          const fields = [...decoder.decode(block, 0, end)];
          assert.deepEqual(fields, blocks[0]?.fields.slice(0, fields.length));
        } catch (error) {
          assert.ok(error instanceof HpackError, String(error));
        }
      }
    }),
    { numRuns: 60 },
  );
});

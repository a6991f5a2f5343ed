// Huffman strings: every octet against appendix B, and everything that section 5.2 calls an error.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeHuffman, huffmanBound } from "../../../src/http2/hpack/huffman.ts";
import { type Code, HUFFMAN_CODES, huffman, joinCodes } from "./support/huffman-code.ts";

/** What the decoder makes of a coded string that stands in the middle of other octets; undefined: an error. */
function decoded(coded: Uint8Array): Buffer | undefined {
  const source = Buffer.concat([Buffer.alloc(3, 0x55), coded, Buffer.alloc(5, 0x07)]);
  const target = Buffer.alloc(huffmanBound(coded.length) + 4, 0xee);
  const size = decodeHuffman(source, 3, 3 + coded.length, target);
  assert.ok(
    target.subarray(huffmanBound(coded.length)).every((octet) => octet === 0xee),
    "written behind the bound",
  );
  return size < 0 ? undefined : target.subarray(0, size);
}

function codeOf(symbol: number): Code {
  return HUFFMAN_CODES[symbol] ?? assert.fail();
}

test("every octet is read by the code that appendix B gives it, alone and between others", () => {
  for (let octet = 0; octet < 256; octet += 1) {
    for (const octets of [[octet], [octet, octet, octet], [0x61, octet, 0x61], [0x5a, 0x5a, octet], [octet, 0xff]]) {
      assert.deepEqual(decoded(huffman(Buffer.from(octets))), Buffer.from(octets), `octet ${octet}`);
    }
  }
});

test("any octets come back", () => {
  const octet = fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 300 }), (octets) => {
      assert.deepEqual(decoded(huffman(Buffer.from(octets))), Buffer.from(octets));
    }),
    { numRuns: 300 },
  );
});

test("EOS within a string is an error, wherever it stands", () => {
  for (const before of [[], [0x61], [0x61, 0x61, 0x3a], [0xff]]) {
    const codes = [...before, 256, 0x61].map(codeOf);
    assert.equal(decoded(joinCodes(codes)), undefined);
    assert.equal(decoded(joinCodes(codes.slice(0, -1))), undefined);
  }
});

test("a padding is the beginning of EOS and shorter than an octet, else it is an error", () => {
  const letter = codeOf(0x61);
  for (let ones = 0; ones <= 40; ones += 1) {
    const padding = Array.from({ length: ones }, () => ({ bits: 1, length: 1 }));
    const coded = joinCodes([letter, ...padding]);
    const fits = coded.length * 8 - letter.length <= 7;
    assert.deepEqual(decoded(coded), fits ? Buffer.from("a") : undefined, `${ones} ones`);
  }
  assert.equal(decoded(joinCodes([letter], "0")), undefined);
  assert.equal(decoded(joinCodes([letter, { bits: 0b10, length: 2 }])), undefined);
  assert.equal(decoded(Buffer.from([0xff])), undefined);
  assert.deepEqual(decoded(Buffer.alloc(0)), Buffer.alloc(0));
});

test("a code that is cut off is an error, however long it was to be", () => {
  for (let octet = 0; octet < 256; octet += 1) {
    const { bits, length } = codeOf(octet);
    for (let cut = 1; cut < length; cut += 1) {
      const start = { bits: Math.floor(bits / 2 ** cut), length: length - cut };
      // As many zeros before it (5 bits each) that it is cut where an octet ends, and nothing is padded.
      const zeros = [1, 2, 3, 4, 5, 6, 7, 8].find((count) => (5 * count + start.length) % 8 === 0) ?? assert.fail();
      const coded = joinCodes([...Array.from({ length: zeros }, () => codeOf(0x30)), start]);
      const isPadding = start.length < 8 && start.bits === 2 ** start.length - 1;
      const expected = isPadding ? Buffer.alloc(zeros, 0x30) : undefined;
      assert.deepEqual(decoded(coded), expected, `octet ${octet} without ${cut} bits`);
    }
  }
});

// Sequences of blocks on one connection: what one end writes the other reads, whatever comes into the tables and however their size changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { HpackEncoder } from "../../../src/http2/hpack/encoder.ts";
import { type AnyBlock, AnyEncoder, anyBlocks, anyFields, anySettings } from "./support/any-blocks.ts";
import { encoded, marked, newDecoder } from "./support/blocks.ts";

/** As deepEqual, which would take minutes to show how long lists differ while a finding is made smaller. */
function assertSame(read: readonly string[], written: readonly string[]): void {
  assert.ok(isDeepStrictEqual(read, written), "what was read is not what was written");
}

/** What of a block is never to be indexed, besides credentials. */
function markedNames({ fields, choices }: AnyBlock): string[] {
  return fields.filter(
    (name, index) => index % 2 === 0 && choices[index / 2]?.kind === "never" && !/^(authorization|cookie)$/.test(name),
  );
}

test("our decoder reads what our encoder writes, with sizes of the table that come and go", () => {
  fc.assert(
    fc.property(fc.array(anyFields, { maxLength: 12 }), anySettings, (lists, settings) => {
      const encoder = new HpackEncoder();
      const decoder = newDecoder();
      for (const [index, fields] of lists.entries()) {
        for (const bytes of settings[index] ?? []) encoder.setPeerTableBytes(bytes);
        // Twice: what was added is found.
        for (let round = 0; round < 2; round += 1) {
          assertSame(decoder.decode(encoded(encoder, fields)), fields);
          assert.equal(decoder.fault, undefined);
        }
      }
    }),
    { numRuns: 400 },
  );
});

test("our decoder reads what any lawful encoder may write, and our encoder passes it on, marks included", () => {
  fc.assert(
    fc.property(anyBlocks, (blocks) => {
      const encoder = new AnyEncoder();
      const decoder = newDecoder();
      const next = { encoder: new HpackEncoder(), decoder: newDecoder() };
      for (const block of blocks) {
        const read = decoder.decode(encoder.encode(block));
        assertSame(read, marked(block.fields, ...markedNames(block)));
        assert.equal(decoder.fault, undefined);
        assertSame(next.decoder.decode(encoded(next.encoder, read)), read);
      }
    }),
    { numRuns: 400 },
  );
});

test("a decoder that refuses lists stays in step with one that takes them all", () => {
  fc.assert(
    fc.property(anyBlocks, fc.nat(400), fc.nat(6), (blocks, maxListBytes, maxFields) => {
      const encoder = new AnyEncoder();
      const decoder = newDecoder({ maxListBytes, maxFields });
      for (const block of blocks) {
        const kept = decoder.decode(encoder.encode(block));
        assertSame([...kept], block.fields.slice(0, kept.length));
        const bytes = block.fields.reduce((sum, text) => sum + text.length + 16, 0);
        assert.equal(decoder.listBytes, bytes);
        const fits = bytes <= maxListBytes && block.fields.length / 2 <= maxFields;
        assert.equal(decoder.fault, fits ? undefined : "list-too-large");
        assert.equal(kept.length === block.fields.length, fits);
      }
    }),
    { numRuns: 200 },
  );
});

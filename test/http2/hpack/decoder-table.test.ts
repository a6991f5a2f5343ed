// The decoder's dynamic table (RFC 7541 sections 2.3 and 4), as blocks show it: what is found, what is evicted, and how its size changes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackDecoder, HpackError } from "../../../src/http2/hpack/decoder.ts";
import { indexed, literal, newDecoder, sizeUpdate, WIDE } from "./support/blocks.ts";

const all = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);

describe("The dynamic table of the decoder", () => {
  test("a field that comes again is the same string, not an equal one", () => {
    const decoder = newDecoder();
    const [name, value] = decoder.decode(literal("added", "x-name", "a value of some length"));
    const again = decoder.decode(indexed(62));
    assert.ok(Object.is(name, again[0]) && Object.is(value, again[1]));
  });

  test("entries are evicted oldest first, when name, value and 32 bytes each are more than its size", () => {
    const decoder = newDecoder();
    decoder.decode(all(sizeUpdate(100), ...["a", "b", "c"].map((name) => literal("added", name, "1"))));
    // 34 bytes each: two fit.
    assert.deepEqual(decoder.decode(all(indexed(62), indexed(63))), ["c", "1", "b", "1"]);
    assert.throws(() => decoder.decode(indexed(64)), HpackError);
  });

  test("the size is a bound to the byte", () => {
    for (const [bytes, entries] of [
      [68, 2],
      [67, 1],
      [34, 1],
      [33, 0],
    ] as const) {
      const held = (number: number): boolean => {
        const decoder = newDecoder();
        decoder.decode(all(sizeUpdate(bytes), literal("added", "a", "1"), literal("added", "b", "2")));
        try {
          return decoder.decode(indexed(number)).length === 2;
        } catch {
          return false;
        }
      };
      assert.deepEqual([held(62), held(63), held(64)], [entries > 0, entries > 1, false], `${bytes} bytes`);
    }
  });

  test("a number behind the last entry finds nothing, however the ring goes round", () => {
    for (let entries = 0; entries < 40; entries += 1) {
      const decoder = newDecoder();
      for (let index = 0; index < entries; index += 1) decoder.decode(literal("added", "a", "1"));
      for (let number = 62 + entries; number < 62 + 300; number += 1) {
        assert.throws(() => decoder.decode(indexed(number)), HpackError, `number ${number} of ${entries} entries`);
      }
    }
  });

  test("a name may be that of an entry which the new field pushes out", () => {
    const decoder = newDecoder();
    decoder.decode(all(sizeUpdate(40), literal("added", "name", "1234")));
    assert.deepEqual(decoder.decode(literal("added", 62, "5678")), ["name", "5678"]);
    assert.deepEqual(decoder.decode(indexed(62)), ["name", "5678"]);
  });

  test("a field that is larger than the table empties it, and is no error", () => {
    const decoder = newDecoder();
    decoder.decode(literal("added", "a", "1"));
    assert.equal(decoder.decode(literal("added", "b", "x".repeat(4096))).length, 2);
    assert.throws(() => decoder.decode(indexed(62)), HpackError);
  });

  test("a size update to 0 empties it, and one back to 4096 opens it again", () => {
    const decoder = newDecoder();
    decoder.decode(literal("added", "a", "1"));
    decoder.decode(all(sizeUpdate(0), sizeUpdate(4096), literal("added", "b", "2")));
    assert.deepEqual(decoder.decode(indexed(62)), ["b", "2"]);
    assert.throws(() => decoder.decode(indexed(63)), HpackError);
  });

  test("it holds as many entries as 4096 bytes can have, over many rounds of its ring", () => {
    const decoder = newDecoder();
    for (let round = 0; round < 1000; round += 1) decoder.decode(literal("added", String(round % 10), ""));
    const fields = decoder.decode(all(...Array.from({ length: 124 }, (_, index) => indexed(62 + index))));
    assert.equal(fields.filter((_, index) => index % 2 === 0).join(""), "9876543210".repeat(13).slice(0, 124));
    assert.throws(() => decoder.decode(indexed(62 + 124)), HpackError);
  });

  test("a table of more than 4096 bytes begins with 4096, until the peer says that it uses more", () => {
    const decoder = newDecoder({ maxTableBytes: 8192 });
    const large = (name: string): Buffer => literal("added", name, "x".repeat(3000));
    decoder.decode(all(large("a"), large("b")));
    assert.throws(() => decoder.decode(indexed(63)), HpackError);
    const wider = newDecoder({ maxTableBytes: 8192 });
    wider.decode(all(sizeUpdate(8192), large("a"), large("b")));
    assert.equal(wider.decode(indexed(63))[0], "a");
  });

  test("a table of less than 4096 bytes is a bug of ours", () => {
    assert.throws(() => new HpackDecoder({ ...WIDE, maxTableBytes: 4095 }), TypeError);
  });
});

// What of a body waits to be taken: its bytes come out in order, never change, and cost memory in proportion to them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { HeldPieces } from "../../src/http2/held-pieces.ts";

/** A piece within a chunk of 64 KiB, as a socket hands it on. */
function within(length: number, fill: number): Uint8Array {
  return new Uint8Array(64 * 1024).fill(fill).subarray(100, 100 + length);
}

describe("pieces that are held", () => {
  test("come out as they went in, whatever is pushed between, and do not change any more", () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20_000 }));
    const steps = fc.array(fc.oneof(sizes, fc.constant(0)), { maxLength: 120, size: "max" });
    fc.assert(
      fc.property(steps, (list) => {
        const held = new HeldPieces();
        const put: Buffer[] = [];
        const got: { piece: Uint8Array; copy: Buffer }[] = [];
        const shift = (): boolean => {
          const piece = held.shift();
          if (piece !== undefined) got.push({ piece, copy: Buffer.from(piece) });
          return piece !== undefined;
        };
        for (const [index, size] of list.entries()) {
          if (size === 0) {
            shift();
            continue;
          }
          const piece = Buffer.alloc(size, index + 1);
          put.push(Buffer.from(piece));
          held.push(piece);
        }
        while (shift());
        assert.equal(held.bytes, 0);
        assert.ok(Buffer.concat(got.map(({ piece }) => piece)).equals(Buffer.concat(put)));
        for (const { piece, copy } of got) assert.ok(copy.equals(piece), "bytes changed behind their telling");
      }),
    );
  });

  test("keep no chunk alive that is far larger than they are", () => {
    for (const size of [1, 5, 100, 2_000, 2_049, 10_000, 16_383, 16_384]) {
      const held = new HeldPieces();
      for (let bytes = 0; bytes + size <= 65_535; bytes += size) held.push(within(size, 7));
      const bytes = held.bytes;
      const memory = new Set<ArrayBufferLike>();
      for (let piece = held.shift(); piece !== undefined; piece = held.shift()) memory.add(piece.buffer);
      const kept = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
      assert.ok(kept <= 4 * bytes + 8_192, `${kept} bytes are kept for ${bytes} in pieces of ${size}`);
    }
    const one = new HeldPieces();
    one.push(within(1, 7));
    assert.ok((one.shift()?.buffer.byteLength ?? 0) <= 512);
  });

  test("are gone when they are dropped", () => {
    const held = new HeldPieces();
    for (const size of [5, 5_000, 7]) held.push(within(size, 7));
    assert.equal(held.clear(), 5_012);
    assert.equal(held.bytes, 0);
    assert.equal(held.shift(), undefined);
    held.push(within(3, 7));
    assert.equal(held.shift()?.length, 3);
  });
});

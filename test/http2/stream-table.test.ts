// The table of open streams, against a Map; and the last few numbers that are remembered.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { RecentIds } from "../../src/http2/recent-ids.ts";
import { type Numbered, StreamTable } from "../../src/http2/stream-table.ts";

class Stream implements Numbered<Stream> {
  readonly id: number;
  nextInSlot: Stream | undefined;
  constructor(id: number) {
    this.id = id;
  }
}

describe("the table of streams", () => {
  test("holds what a Map would, whatever numbers a peer chooses, and knows what is deleted twice", () => {
    const ids = fc.oneof(
      fc.nat(30).map((index) => 2 * index + 1),
      // All in one slot.
      fc.nat(30).map((index) => 256 * index + 1),
      fc.constant(2 ** 31 - 1),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(ids, fc.boolean()), { maxLength: 120, size: "max" }), (steps) => {
        const table = new StreamTable<Stream>();
        const model = new Map<number, Stream>();
        for (const [id, adds] of steps) {
          const known = model.get(id);
          if (adds && known === undefined) {
            const stream = new Stream(id);
            model.set(id, stream);
            table.add(stream);
          } else if (!adds) {
            model.delete(id);
            table.delete(known ?? new Stream(id));
            if (known !== undefined) table.delete(known);
          }
          assert.equal(table.get(id), model.get(id));
          assert.equal(table.size, model.size);
        }
        assert.deepEqual(new Set(table.all()), new Set(model.values()));
      }),
    );
  });
});

test("the numbers that are remembered are the last, and 0 is none of them", () => {
  const ids = new RecentIds(3);
  assert.equal(ids.has(1), false);
  for (const id of [1, 3, 5, 2 ** 31 - 1]) ids.add(id);
  assert.deepEqual(
    [1, 3, 5, 2 ** 31 - 1].map((id) => ids.has(id)),
    [false, true, true, true],
  );
});

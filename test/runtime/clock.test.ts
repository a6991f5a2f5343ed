// The one form of time: remembered beginnings change nothing of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatTime } from "../../src/runtime/index.ts";

test("a time is written as Date writes it, whatever was written before it", () => {
  const near = fc.integer({ min: 0, max: 200_000 }).map((ms) => 1_800_000_000_000 + ms);
  const any = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 });
  const uneven = fc.double({ min: -1e12, max: 4e12, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.oneof(near, near, any, uneven), { minLength: 1, maxLength: 50 }), (times) => {
      for (const time of times) assert.equal(formatTime(time), new Date(time).toISOString());
    }),
    { numRuns: 300 },
  );
});

test("what is no time is refused", () => {
  for (const time of [Number.NaN, Number.POSITIVE_INFINITY, 8_640_000_000_000_001, 8_640_000_000_001_000]) {
    assert.throws(() => formatTime(time), RangeError, `${time}`);
  }
});

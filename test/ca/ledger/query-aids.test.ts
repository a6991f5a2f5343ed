// Outcomes as runs: what a batch adds to the table that tells how an issuance ended.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runsOf } from "../../../src/ca/ledger/query-aids.ts";

const runs = (...outcomes: readonly (readonly [number, "signed" | "failed"])[]) =>
  runsOf(outcomes.map(([index, result]) => ({ logIndex: BigInt(index), result }))).map(
    ({ first, last, result }) => `${first}-${last} ${result}`,
  );

test("consecutive outcomes are one run, in whatever order they came", () => {
  assert.deepEqual(runs([12, "signed"], [10, "signed"], [11, "signed"]), ["10-12 signed"]);
});

test("a gap ends a run, another result ends it, and a block of 4,096 ends it", () => {
  assert.deepEqual(runs([1, "signed"], [2, "failed"], [3, "failed"], [5, "failed"]), [
    "1-1 signed",
    "2-3 failed",
    "5-5 failed",
  ]);
  assert.deepEqual(runs([4_095, "signed"], [4_096, "signed"], [4_097, "signed"]), [
    "4095-4095 signed",
    "4096-4097 signed",
  ]);
});

test("no outcome, no run", () => {
  assert.deepEqual(runs(), []);
});

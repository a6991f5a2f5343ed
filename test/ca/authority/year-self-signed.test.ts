// A year of rotations under the upstream "self-signed" (test/support/simulate-year.ts).
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateYear } from "../../support/simulate-year.ts";

test("in a year of rotations every valid leaf verifies for every client at every instant: self-signed", async () => {
  const year = await simulateYear({ upstream: "self-signed" });
  assert.ok(year.signers >= 90, `${year.signers} authorities signed`);
  assert.ok(year.roots > 90, `${year.roots} roots`);
  assert.ok(year.verifications > 10_000, `${year.verifications} verifications`);
  assert.deepEqual(year.keys, year.living);
  assert.ok(year.pruneRefusals > 0, "the old root was needed when its pruning was tried first");
  assert.deepEqual(
    year.sequences,
    [...new Set(year.sequences)].sort((a, b) => Number(a - b)),
  );
});

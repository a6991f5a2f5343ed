// A year of rotations under the upstream "offline" (test/support/simulate-year.ts).
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateYear } from "../../support/simulate-year.ts";

test("in a year of rotations every valid leaf verifies for every client at every instant: offline", async () => {
  const year = await simulateYear({ upstream: "offline" });
  assert.ok(year.signers >= 8, `${year.signers} authorities signed`);
  assert.ok(year.roots === 2, `${year.roots} roots`);
  assert.ok(year.verifications > 10_000, `${year.verifications} verifications`);
  assert.deepEqual(year.keys, year.living);
  assert.ok(year.pruneRefusals > 0, "the old root was needed when its pruning was tried first");
  assert.ok(year.siblingsRefused > 100, `${year.siblingsRefused} leaves of a sibling CA were refused`);
  assert.deepEqual(
    year.sequences,
    [...new Set(year.sequences)].sort((a, b) => Number(a - b)),
  );
});

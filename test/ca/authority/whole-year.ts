// What holds of every simulated year, whichever the upstream is.
import assert from "node:assert/strict";
import type { YearReport } from "../../support/simulate-year.ts";

/** A year is a quarter of a minute of nothing but work, and as many times that as others share the machine. */
export const YEAR = { timeout: 300_000 } as const;

export function requireWholeYear(year: YearReport, leastSigners: number): void {
  assert.ok(year.signers >= leastSigners, `${year.signers} authorities signed`);
  assert.ok(year.verifications > 10_000, `${year.verifications} verifications`);
  assert.deepEqual(year.keys, year.living);
  assert.ok(year.pruneRefusals > 0, "the old root was needed when its pruning was tried first");
  assert.deepEqual(
    year.sequences,
    [...new Set(year.sequences)].sort((a, b) => Number(a - b)),
  );
}

/** Under an enterprise, whose root changes in the middle, and beneath which a sibling CA signs for our trust domain. */
export function requireEnterpriseYear(year: YearReport, leastSigners: number): void {
  requireWholeYear(year, leastSigners);
  assert.ok(year.roots === 2, `${year.roots} roots`);
  assert.ok(year.siblingsRefused > 100, `${year.siblingsRefused} leaves of a sibling CA were refused`);
}

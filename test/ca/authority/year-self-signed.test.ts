// A year of rotations under the upstream "self-signed" (test/support/simulate-year.ts).
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateYear } from "../../support/simulate-year.ts";
import { requireWholeYear, YEAR } from "./whole-year.ts";

test(
  "in a year of rotations every valid leaf verifies for every client at every instant: self-signed",
  YEAR,
  async () => {
    const year = await simulateYear({ upstream: "self-signed" });
    requireWholeYear(year, 90);
    assert.ok(year.roots > 90, `${year.roots} roots`);
  },
);

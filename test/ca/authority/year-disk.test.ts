// A year of rotations under the upstream "disk" (test/support/simulate-year.ts).
import { test } from "node:test";
import { simulateYear } from "../../support/simulate-year.ts";
import { requireEnterpriseYear, YEAR } from "./whole-year.ts";

test("in a year of rotations every valid leaf verifies for every client at every instant: disk", YEAR, async () => {
  const year = await simulateYear({ upstream: "disk" });
  requireEnterpriseYear(year, 90);
});

// A year of rotations under the upstream "offline" (test/support/simulate-year.ts).
import { test } from "node:test";
import { simulateYear } from "../../support/simulate-year.ts";
import { requireEnterpriseYear, YEAR } from "./whole-year.ts";

test("in a year of rotations every valid leaf verifies for every client at every instant: offline", YEAR, async () => {
  const year = await simulateYear({ upstream: "offline" });
  requireEnterpriseYear(year, 8);
});

// A year of rotations under the upstream "offline" (test/support/simulate-year.ts).
import { test } from "node:test";
import { simulateYear } from "../../support/simulate-year.ts";
import { requireEnterpriseYear } from "./whole-year.ts";

test("in a year of rotations every valid leaf verifies for every client at every instant: offline", async () => {
  const year = await simulateYear({ upstream: "offline" });
  requireEnterpriseYear(year, 8);
});

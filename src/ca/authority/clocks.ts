// Authorities live by the clock: one that is wrong would make certificates of another time, have them take over too early, and
// unpublish authorities whose leaves are still in use. Before any of that the database's clock is asked.
import { type Clock, formatTime } from "../../runtime/index.ts";
import type { Database } from "../store/index.ts";
import { AuthorityError } from "./errors.ts";
import type { AuthoritySettings } from "./settings.ts";

export interface ClockQuestion {
  readonly clock: Clock;
  readonly database: Pick<Database, "databaseNow">;
  readonly settings: Pick<AuthoritySettings, "maxClockDifferenceSeconds">;
}

/** @throws AuthorityError MCA_CLOCK_SKEW; StoreError where the database cannot be asked */
export async function requireSameClocks({ clock, database, settings }: ClockQuestion): Promise<void> {
  const before = clock.now();
  const theirs = await database.databaseNow();
  const ours = (before + clock.now()) / 2;
  const limit = settings.maxClockDifferenceSeconds;
  if (Math.abs(ours - theirs) <= limit * 1000) return;
  throw new AuthorityError(
    "MCA_CLOCK_SKEW",
    `No authority is made or changed: this machine's clock says ${formatTime(Math.round(ours))}, the database's ${formatTime(Math.round(theirs))}, and at most ${limit} s between them are tolerated. Mend time synchronisation (NTP) on both machines.`,
    { details: { differenceSeconds: ((ours - theirs) / 1000).toFixed(1), limitSeconds: `${limit}` } },
  );
}

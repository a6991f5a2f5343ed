// Time is a parameter (invariant 7). Nothing outside this file and the composition roots reads the system clock.

/** A source of time. All times in mesh-ca are Unix milliseconds (UTC). */
export interface Clock {
  /** Now, in Unix milliseconds. */
  now(): number;
}

/** A clock that can also ask the database for its time, to notice when the two differ (limit: 10 s). */
export interface DatabaseClock extends Clock {
  /** The database's clock, in Unix milliseconds. */
  databaseNow(): Promise<number>;
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => Date.now() };

/** RFC 3339 in UTC with milliseconds, the only form of time in the ledger and the logs. */
export function formatTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

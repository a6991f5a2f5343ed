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

/** The seconds that were formatted last, each in the place of its remainder: a certificate names three times, and its neighbours the same. */
const PLACES = 13;
const seconds = new Array<number>(PLACES).fill(Number.NaN);
const beginnings = new Array<string>(PLACES).fill("");
const YEAR_10000 = 253_402_300_800_000;
const ENDINGS = Array.from({ length: 1000 }, (_, ms) => `${String(ms).padStart(3, "0")}Z`);

/** RFC 3339 in UTC with milliseconds, the only form of time in the ledger and the logs. @throws RangeError for what is no time */
export function formatTime(unixMs: number): string {
  const ms = unixMs % 1000;
  const ending = ENDINGS[ms];
  // Before 1970, not whole, or of five digits.
  if (ending === undefined || unixMs >= YEAR_10000) return new Date(unixMs).toISOString();
  const second = unixMs - ms;
  const place = (second / 1000) % PLACES;
  if (seconds[place] !== second) {
    beginnings[place] = new Date(second).toISOString().slice(0, -4);
    seconds[place] = second;
  }
  return `${beginnings[place]}${ending}`;
}

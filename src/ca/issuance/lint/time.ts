// Reads the times of a Validity (RFC 5280 4.1.2.5): UTCTime until 2049, GeneralizedTime from 2050 on, whole seconds, UTC.
import { LintFinding, type Walker } from "./walker.ts";

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const RULE = "RFC 5280 4.1.2.5";

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Reads the next time. Unix milliseconds. */
export function readTime(walker: Walker, end: number): number {
  const generalized = walker.next(GENERALIZED_TIME, end);
  const stop = walker.enter(generalized ? GENERALIZED_TIME : UTC_TIME, end, "a time");
  const { bytes } = walker;
  if (stop - walker.at !== (generalized ? 15 : 13) || bytes[stop - 1] !== 0x5a) throw bad("a time of another form");
  let at = walker.at;
  let year = digits(bytes, at);
  if (generalized) {
    at += 2;
    year = year * 100 + digits(bytes, at);
    if (year < 2050) throw bad("GeneralizedTime before 2050");
  } else {
    year += year < 50 ? 2000 : 1900;
  }
  const month = digits(bytes, at + 2);
  const day = digits(bytes, at + 4);
  const hour = digits(bytes, at + 6);
  const minute = digits(bytes, at + 8);
  const second = digits(bytes, at + 10);
  // Date.UTC turns the 31st of June into the 1st of July; a certificate must not say such things.
  if (day < 1 || day > daysOf(year, month) || hour > 23 || minute > 59 || second > 59) {
    throw bad("a time that does not exist");
  }
  walker.at = stop;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Two decimal digits. */
function digits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] ?? 0) - 0x30;
  const ones = (bytes[at + 1] ?? 0) - 0x30;
  if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw bad("something that is no digit");
  return tens * 10 + ones;
}

/** Days of a month (1 to 12) of the Gregorian calendar; 0 for a month that there is not. */
function daysOf(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : (DAYS[month - 1] ?? 0);
}

function bad(found: string): LintFinding {
  return new LintFinding(RULE, found, "a time in UTC, in whole seconds, as RFC 5280 writes it");
}

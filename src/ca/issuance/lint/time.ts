// Reads the times of a Validity (RFC 5280 4.1.2.5): UTCTime until 2049, GeneralizedTime from 2050 on, whole seconds, UTC.
import { LintFinding, type Walker } from "./walker.ts";

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const RULE = "RFC 5280 4.1.2.5";

/** Reads the next time. Unix milliseconds. */
export function readTime(walker: Walker, end: number): number {
  const generalized = walker.next(GENERALIZED_TIME, end);
  const stop = walker.enter(generalized ? GENERALIZED_TIME : UTC_TIME, end, "a time");
  const { bytes } = walker;
  let at = walker.at;
  if (stop - at !== (generalized ? 15 : 13) || bytes[stop - 1] !== 0x5a) throw bad("a time of another form");
  const pair = (): number => {
    const tens = (bytes[at] ?? 0) - 0x30;
    const ones = (bytes[at + 1] ?? 0) - 0x30;
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9) throw bad("something that is no digit");
    at += 2;
    return tens * 10 + ones;
  };
  let year = pair();
  if (generalized) year = year * 100 + pair();
  else year += year < 50 ? 2000 : 1900;
  if (generalized && year < 2050) throw bad("GeneralizedTime before 2050");
  const month = pair();
  const day = pair();
  const hour = pair();
  const minute = pair();
  const second = pair();
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date.UTC turns the 31st of June into the 1st of July; a certificate must not say such things.
  const back = new Date(time);
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59) {
    throw bad("a time that does not exist");
  }
  walker.at = stop;
  return time;
}

function bad(found: string): LintFinding {
  return new LintFinding(RULE, found, "a time in UTC, in whole seconds, as RFC 5280 writes it");
}

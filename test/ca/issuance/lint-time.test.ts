// The lint's reader of times, beside the calendar of the runtime: every day that there is, and none that there is not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readTime } from "../../../src/ca/issuance/lint/time.ts";
import { LintFinding, Walker } from "../../../src/ca/issuance/lint/walker.ts";

const two = (value: number): string => String(value).padStart(2, "0");

function read(year: number, month: number, day: number): number {
  const generalized = year >= 2050;
  const text = `${generalized ? year : two(year % 100)}${two(month)}${two(day)}235958Z`;
  const der = Buffer.concat([Uint8Array.of(generalized ? 0x18 : 0x17, text.length), Buffer.from(text, "latin1")]);
  const walker = new Walker(der);
  const time = readTime(walker, der.length);
  assert.equal(walker.at, der.length);
  return time;
}

test("every day of leap years and others is read, and a day that does not exist is refused", () => {
  for (const year of [1950, 1999, 2000, 2024, 2026, 2049, 2050, 2096, 2100, 2400, 9999]) {
    for (let month = 0; month <= 13; month++) {
      for (let day = 0; day <= 32; day++) {
        const date = new Date(Date.UTC(year, month - 1, day, 23, 59, 58));
        const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
        if (exists) assert.equal(read(year, month, day), date.getTime());
        else assert.throws(() => read(year, month, day), LintFinding, `${year}-${month}-${day}`);
      }
    }
  }
});

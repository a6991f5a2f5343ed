// UTCTime and GeneralizedTime in the only forms that RFC 5280 section 4.1.2.5 allows: YYMMDDHHMMSSZ and YYYYMMDDHHMMSSZ.
import { X509Error } from "../errors.ts";

function malformed(what: string): X509Error {
  return new X509Error("MCA_DER_MALFORMED", `${what} is not a time of the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ`);
}

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Two decimal digits at `at`; NaN where they are not digits, which no later comparison lets through. */
function two(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] ?? 0) - 0x30;
  const ones = (bytes[at + 1] ?? 0) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

/** MMDDHHMMSSZ from `at` to the end. */
function moment(bytes: Uint8Array, year: number, at: number, what: string): number {
  const month = two(bytes, at);
  const day = two(bytes, at + 2);
  const hour = two(bytes, at + 4);
  const minute = two(bytes, at + 6);
  const second = two(bytes, at + 8);
  const days = (DAYS_IN_MONTH[month - 1] ?? 0) + (month === 2 && isLeapYear(year) ? 1 : 0);
  const valid = day >= 1 && day <= days && hour <= 23 && minute <= 59 && second <= 59 && bytes[at + 10] === 0x5a;
  if (!valid) throw malformed(what);
  const date = new Date(0);
  // Date.UTC takes years below 100 as 19xx.
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** Contents of a UTCTime to Unix milliseconds; years 50 to 99 are 19xx. */
export function parseUtcTime(contents: Uint8Array, what: string): number {
  const year = two(contents, 0);
  if (contents.length !== 13 || Number.isNaN(year)) throw malformed(what);
  return moment(contents, year < 50 ? 2000 + year : 1900 + year, 2, what);
}

/** Contents of a GeneralizedTime to Unix milliseconds. */
export function parseGeneralizedTime(contents: Uint8Array, what: string): number {
  const year = two(contents, 0) * 100 + two(contents, 2);
  if (contents.length !== 15 || Number.isNaN(year)) throw malformed(what);
  return moment(contents, year, 4, what);
}

/** The earliest year that GeneralizedTime is used for. */
const FIRST_GENERALIZED_YEAR = 2050;
const FIRST_UTC_YEAR = 1950;
const LAST_YEAR = 9999;

/**
 * A certificate's time: UTCTime through 2049, GeneralizedTime from 2050; cut to whole seconds.
 * @returns the contents octets and which of the two they are
 * @throws TypeError outside of the years 1950 to 9999
 */
export function encodeCertificateTime(unixMs: number): { contents: Uint8Array; generalized: boolean } {
  const date = new Date(unixMs);
  const year = date.getUTCFullYear();
  if (!(year >= FIRST_UTC_YEAR && year <= LAST_YEAR))
    throw new TypeError(`a certificate cannot carry the time ${unixMs}`);
  const generalized = year >= FIRST_GENERALIZED_YEAR;
  const contents = new Uint8Array(generalized ? 15 : 13);
  let at = 0;
  const put = (twoDigits: number): void => {
    contents[at++] = 0x30 + Math.floor(twoDigits / 10);
    contents[at++] = 0x30 + (twoDigits % 10);
  };
  if (generalized) put(Math.floor(year / 100));
  put(year % 100);
  put(date.getUTCMonth() + 1);
  put(date.getUTCDate());
  put(date.getUTCHours());
  put(date.getUTCMinutes());
  put(date.getUTCSeconds());
  contents[at] = 0x5a;
  return { contents, generalized };
}

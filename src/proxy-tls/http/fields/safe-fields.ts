// The one validator of what is written: every field, what we add included, goes through checkField before either writer takes it. The
// writers accept only the branded list. A latin1 writer cuts U+010A down to LF, so
// nothing beyond the tables is let through: above U+00FF throws like a control character. Each field is looked at once: what the screens
// have checked and kept is decided on, and is written as it is.
import type { FieldList } from "../exchange.ts";
import { type HttpRefusal, RefusedError } from "../refusal.ts";
import { consistsOf, NAME_CHARACTERS, VALUE_CHARACTERS } from "./characters.ts";

declare const validated: unique symbol;

/** Fields that may be written as they are. Made by assertSafeFields and, field by field, by those who may call markChecked. */
export type SafeFields = FieldList & { readonly [validated]: true };

/** None. */
export const NO_SAFE_FIELDS: SafeFields = safe([]);

const HTAB = 0x09;
const SP = 0x20;

/**
 * Whether a field may be written: the name is a token in lower case (RFC 9110 section 5.6.2), the value has neither a control character
 * nor white space around it (section 5.5).
 */
export function checkField(name: string, value: string): boolean {
  if (name === "" || !consistsOf(name, NAME_CHARACTERS) || !consistsOf(value, VALUE_CHARACTERS)) return false;
  return value === "" || !(isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(value.length - 1)));
}

/**
 * Brands a list whose every field may be written. The list must not be changed afterwards.
 * @param refusal what is thrown where one may not
 * @throws RefusedError
 */
export function assertSafeFields(fields: FieldList, refusal: HttpRefusal): asserts fields is SafeFields {
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index];
    const value = fields[index + 1];
    if (name === undefined || value === undefined || !checkField(name, value)) throw new RefusedError(refusal);
  }
}

/**
 * Brands a list that was put together from fields that went through checkField one by one. Checks nothing: for the screens and for
 * outgoing.ts alone, which a test holds. The list must not be changed afterwards.
 */
export function markChecked(_fields: FieldList): asserts _fields is SafeFields {}

/** Brands fields of our own making: constants. @throws RefusedError where one may not be written after all */
export function safe(fields: FieldList): SafeFields {
  assertSafeFields(fields, { status: 500, code: "MCA_PROXY_REQUEST_REFUSED", reason: "unsafe-field" });
  return fields;
}

function isSpace(code: number): boolean {
  return code === SP || code === HTAB;
}

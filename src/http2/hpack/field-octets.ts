// Whether a field's name and value are well formed in HTTP/2 (RFC 9113 section 8.2.1), judged on octets as they were received. Nothing is repaired:
// what fails makes the whole list malformed.
import { characterTable, LOWER_LETTERS, NAME_CHARACTERS, VALUE_CHARACTERS } from "../field-characters.ts";

const COLON = 0x3a;
const SP = 0x20;
const HTAB = 0x09;

const PSEUDO_CHARACTERS = characterTable(LOWER_LETTERS);

/** A non-empty token in lower case, or a colon and then lower-case letters (a pseudo-header's name; which ones there are is not judged). */
export function isFieldName(octets: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return false;
  const pseudo = octets[start] === COLON;
  if (pseudo && end - start === 1) return false;
  const table = pseudo ? PSEUDO_CHARACTERS : NAME_CHARACTERS;
  for (let at = pseudo ? start + 1 : start; at < end; at += 1) {
    if (table[octets[at] ?? 0] !== 1) return false;
  }
  return true;
}

/** HTAB, SP, VCHAR and obs-text, and neither SP nor HTAB at either end. Empty is fine. */
export function isFieldValue(octets: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return true;
  const first = octets[start];
  const last = octets[end - 1];
  if (first === SP || first === HTAB || last === SP || last === HTAB) return false;
  for (let at = start; at < end; at += 1) {
    if (VALUE_CHARACTERS[octets[at] ?? 0] !== 1) return false;
  }
  return true;
}

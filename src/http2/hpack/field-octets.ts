// What a field's name and value may be made of in HTTP/2 (RFC 9113 section 8.2.1, with the grammar of RFC 9110 sections 5.1 and 5.5), judged on
// octets as they were received. Nothing is repaired: what fails makes the whole list malformed.

const NAME = 1;
const LETTER = 2;
const VALUE = 4;

const COLON = 0x3a;
const SP = 0x20;
const HTAB = 0x09;

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
/** tchar without upper case. */
const TOKEN = `!#$%&'*+-.^_\`|~0123456789${LETTERS}`;

const CLASSES = Uint8Array.from({ length: 256 }, (_, octet) => {
  const character = String.fromCharCode(octet);
  const name = TOKEN.includes(character) ? NAME : 0;
  const letter = LETTERS.includes(character) ? LETTER : 0;
  const value = octet === HTAB || (octet >= SP && octet !== 0x7f) ? VALUE : 0;
  return name | letter | value;
});

/** A non-empty token in lower case, or a colon and then lower-case letters (a pseudo-header's name; which ones there are is not judged). */
export function isFieldName(octets: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return false;
  const pseudo = octets[start] === COLON;
  if (pseudo && end - start === 1) return false;
  const wanted = pseudo ? LETTER : NAME;
  for (let at = pseudo ? start + 1 : start; at < end; at += 1) {
    if (((CLASSES[octets[at] ?? 0] ?? 0) & wanted) === 0) return false;
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
    if (((CLASSES[octets[at] ?? 0] ?? 0) & VALUE) === 0) return false;
  }
  return true;
}

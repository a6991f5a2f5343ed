// The octets that the codec tells apart, and tables of 256 of what may stand where (RFC 9110 5.6.2, RFC 9112 2 to 5); 0 means: not allowed.
// What is not in a table is refused, never skipped, trimmed or repaired.
import { NAME_CHARACTERS } from "../fields/characters.ts";

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;

/** tchar in either case: field names as they come (RFC 9110 5.6.2). */
export const TOKEN = NAME_CHARACTERS.map((allowed, octet) => (octet >= 0x41 && octet <= 0x5a ? 1 : allowed));

/** VCHAR: what a request target may be made of before the screens look at it. */
export const VISIBLE = Uint8Array.from({ length: 256 }, (_, octet) => (octet > SP && octet < 0x7f ? 1 : 0));

/** The value of a hexadecimal digit; 255: none. */
export const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, octet) => {
  const value = "0123456789abcdef".indexOf(String.fromCharCode(octet).toLowerCase());
  return value < 0 ? 255 : value;
});

/** The same octets as a Buffer, without a copy. */
export function bufferOf(octets: Uint8Array): Buffer {
  return Buffer.isBuffer(octets) ? octets : Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}

// The closed tables of characters that HTTP allows where (RFC 9110 5.5 and 5.6.2, RFC 9112 2 to 5). Indexed by octet; 0 means: not allowed.
// What is not in a table is refused, never skipped, trimmed or repaired.

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;

const ALPHA_NUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function tableOf(allowed: (octet: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (allowed(octet) ? 1 : 0));
}

/** tchar: field names (RFC 9110 5.6.2). */
export const TOKEN = tableOf((octet) => `!#$%&'*+-.^_\`|~${ALPHA_NUMERIC}`.includes(String.fromCharCode(octet)));

/** Field values and reason phrases: VCHAR, obs-text, SP, HTAB (RFC 9110 5.5). */
export const FIELD_VALUE = tableOf((octet) => octet === HTAB || (octet >= SP && octet !== 0x7f));

/** VCHAR: what a request target may be made of before the screens look at it. */
export const VISIBLE = tableOf((octet) => octet > SP && octet < 0x7f);

/** Methods that we let through: A to Z and `-`. */
export const METHOD = tableOf((octet) => octet === 0x2d || (octet >= 0x41 && octet <= 0x5a));

/** The value of a hexadecimal digit; 255: none. */
export const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, octet) => {
  const value = "0123456789abcdef".indexOf(String.fromCharCode(octet).toLowerCase());
  return value < 0 ? 255 : value;
});

/** The same octets as a Buffer, without a copy. */
export function bufferOf(octets: Uint8Array): Buffer {
  return Buffer.isBuffer(octets) ? octets : Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}

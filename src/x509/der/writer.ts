// A writer of DER (X.690). Each function returns one complete element. What it is given comes from our own code, so wrong
// use is a TypeError; text from outside is parsed by its own room before it comes here.
import { encodeOid } from "./oid.ts";
import { tag } from "./tags.ts";
import { encodeCertificateTime } from "./time.ts";

/** Writes identifier and length at the start of a new array and returns it with the offset of the contents. */
function allocate(identifier: number, length: number): { out: Uint8Array; at: number } {
  if (length < 0x80) {
    const out = new Uint8Array(2 + length);
    out[0] = identifier;
    out[1] = length;
    return { out, at: 2 };
  }
  const octets = length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
  const out = new Uint8Array(2 + octets + length);
  out[0] = identifier;
  out[1] = 0x80 | octets;
  for (let i = 0; i < octets; i++) out[2 + i] = Math.floor(length / 256 ** (octets - 1 - i)) & 0xff;
  return { out, at: 2 + octets };
}

/** An element of identifier octet `identifier` whose contents are `parts`, one after the other. */
export function derElement(identifier: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const { out, at } = allocate(identifier, length);
  let offset = at;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** SEQUENCE of complete elements. */
export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return derElement(tag.sequence, ...parts);
}

/** SET OF complete elements, sorted as X.690 section 11.6 says. */
export function derSet(...parts: readonly Uint8Array[]): Uint8Array {
  return derElement(tag.set, ...(parts.length > 1 ? [...parts].sort(Buffer.compare) : parts));
}

/** INTEGER of an unsigned big-endian magnitude; leading zero octets are dropped, one is added where the sign needs it. */
export function derInteger(unsigned: Uint8Array): Uint8Array {
  let from = 0;
  while (from < unsigned.length - 1 && unsigned[from] === 0) from++;
  const magnitude = unsigned.length === 0 ? Uint8Array.of(0) : unsigned.subarray(from);
  return (magnitude[0] ?? 0) >= 0x80
    ? derElement(tag.integer, Uint8Array.of(0), magnitude)
    : derElement(tag.integer, magnitude);
}

/** INTEGER of a small non-negative number. */
export function derSmallInteger(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0x7fffffff) throw new TypeError(`not a small integer: ${value}`);
  return derInteger(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

/** OBJECT IDENTIFIER from dotted form. */
export function derOid(oid: string): Uint8Array {
  let known = oids.get(oid);
  if (known === undefined) {
    known = derElement(tag.oid, encodeOid(oid));
    if (oids.size < MAX_REMEMBERED_OIDS) oids.set(oid, known);
  }
  return known;
}
const oids = new Map<string, Uint8Array>();
const MAX_REMEMBERED_OIDS = 128;

/** OCTET STRING. */
export function derOctetString(bytes: Uint8Array): Uint8Array {
  return derElement(tag.octetString, bytes);
}

/** BIT STRING of whole octets. */
export function derBitString(bytes: Uint8Array): Uint8Array {
  return derElement(tag.bitString, ZERO, bytes);
}
const ZERO = Uint8Array.of(0);

/** What stands in a BIT STRING before its `octets` whole octets: they follow without being copied twice. */
export function derBitStringHead(octets: number): Uint8Array {
  const length = octets + 1;
  if (length < 0x80) return Uint8Array.of(tag.bitString, length, 0);
  if (length < 0x100) return Uint8Array.of(tag.bitString, 0x81, length, 0);
  if (length < 0x10000) return Uint8Array.of(tag.bitString, 0x82, length >> 8, length & 0xff, 0);
  throw new TypeError(`a BIT STRING of ${octets} octets is never made`);
}

/** BIT STRING with named bits (X.690 section 11.2.2: without trailing zero bits). */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  if (bits.length === 0) return derElement(tag.bitString, ZERO);
  const highest = Math.max(...bits);
  const octets = new Uint8Array(2 + (highest >> 3));
  octets[0] = 7 - (highest & 7);
  for (const bit of bits) {
    const at = 1 + (bit >> 3);
    octets[at] = (octets[at] ?? 0) | (0x80 >> (bit & 7));
  }
  return derElement(tag.bitString, octets);
}

/** BOOLEAN. */
export function derBoolean(value: boolean): Uint8Array {
  return derElement(tag.boolean, Uint8Array.of(value ? 0xff : 0x00));
}

/** NULL. */
export function derNull(): Uint8Array {
  return Uint8Array.of(tag.null, 0);
}

/** UTF8String. */
export function derUtf8String(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new TypeError("a UTF8String cannot hold a lone surrogate");
  return derElement(tag.utf8String, utf8.encode(text));
}
const utf8 = new TextEncoder();

/** PrintableString: letters, digits, space and '()+,-./:=? */
export function derPrintableString(text: string): Uint8Array {
  if (!/^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)) throw new TypeError("not a PrintableString");
  return derElement(tag.printableString, utf8.encode(text));
}

/** IA5String: ASCII. */
export function derIa5String(text: string): Uint8Array {
  return derElement(tag.ia5String, asciiBytes(text));
}

/** The octets of ASCII text. */
export function asciiBytes(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) throw new TypeError("not ASCII text");
    out[i] = unit;
  }
  return out;
}

/** A certificate's time: UTCTime through 2049, GeneralizedTime from 2050; cut to whole seconds. */
export function derTime(unixMs: number): Uint8Array {
  const { contents, generalized } = encodeCertificateTime(unixMs);
  return derElement(generalized ? tag.generalizedTime : tag.utcTime, contents);
}

/** [n] EXPLICIT around a complete element. */
export function derExplicit(n: number, inner: Uint8Array): Uint8Array {
  return derElement(tag.explicit(n), inner);
}

/** [n] IMPLICIT: the contents octets under a context-specific tag. */
export function derContext(n: number, contents: Uint8Array, constructed: boolean): Uint8Array {
  return derElement(constructed ? tag.explicit(n) : tag.implicit(n), contents);
}

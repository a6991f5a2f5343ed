// Small helpers over octet strings. None of them compares secrets: `bytesEqual` is not constant-time.
import { hash } from "node:crypto";
import { X509Error } from "./errors.ts";

/** Up to so many octets V8 keeps an array within its own heap; memory for a larger one is asked from malloc, and freed by the collector. */
const HEAP_OCTETS = 64;
const SLAB_OCTETS = 16 * 1024;
let slab = new Uint8Array();
let slabUsed = 0;

/**
 * `length` octets, all zero, that nobody else has. For what is public and lives for one call: some thirty share the memory of a slab,
 * and whoever keeps one keeps all of it.
 */
export function freshBytes(length: number): Uint8Array {
  if (length <= HEAP_OCTETS || length > SLAB_OCTETS / 8) return new Uint8Array(length);
  if (slabUsed + length > slab.length) {
    slab = new Uint8Array(SLAB_OCTETS);
    slabUsed = 0;
  }
  slabUsed += length;
  return slab.subarray(slabUsed - length, slabUsed);
}

/** SHA-256 of `bytes`, 32 octets. */
export function sha256(bytes: Uint8Array): Uint8Array {
  // By way of a string: memory of its own for each hash costs more than the hash.
  return new Uint8Array(Buffer.from(hash("sha256", bytes, "binary"), "latin1"));
}

/** SHA-256 of `bytes`, lower-case hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** Lower-case hex, two digits an octet. */
export function toHex(bytes: Uint8Array): string {
  // `buffer` of a short array moves it out of V8's heap: a copy in Buffer's pool costs less.
  if (bytes.length <= HEAP_OCTETS) return Buffer.from(bytes).toString("hex");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/**
 * The octets of a hex string of either case, two digits an octet, without separators.
 * @throws X509Error MCA_DER_MALFORMED where the text is not that.
 */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) {
    throw new X509Error(
      "MCA_DER_MALFORMED",
      "Hexadecimal text must have an even number of digits 0-9, a-f and nothing else.",
    );
  }
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** Whether two octet strings are the same. Not for secrets: it stops at the first difference. */
export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

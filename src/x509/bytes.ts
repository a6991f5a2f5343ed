// Small helpers over octet strings. None of them compares secrets: `bytesEqual` is not constant-time.
import { hash } from "node:crypto";
import { X509Error } from "./errors.ts";

/** SHA-256 of `bytes`, 32 octets. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash("sha256", bytes, "buffer"));
}

/** SHA-256 of `bytes`, lower-case hex. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** Lower-case hex, two digits an octet. */
export function toHex(bytes: Uint8Array): string {
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

// An entry as bytes: canonical JSON (RFC 8785), at most 65,535 bytes, with its leaf hash (RFC 9162 section 2.1.1). These bytes are
// what the log proves; nothing may change how they come out.
import { hash } from "node:crypto";
import canonicalize from "canonicalize";
import { LedgerError } from "./errors.ts";

export const MAX_ENTRY_BYTES = 65_535;
const LEAF_PREFIX = 0x00;

export interface EncodedEntry {
  readonly bytes: Buffer;
  /** SHA-256(0x00 || bytes). */
  readonly leafHash: Buffer;
}

/** The entry of these fields. @throws LedgerError MCA_ENTRY_TOO_LARGE, MCA_ENTRY_INVALID */
export function encodeEntry(fields: { readonly [name: string]: unknown }): EncodedEntry {
  let text: string | undefined;
  try {
    text = canonicalize(fields);
  } catch (cause) {
    throw new LedgerError("MCA_ENTRY_INVALID", "The ledger entry holds what JSON cannot hold.", { cause });
  }
  if (text === undefined) throw new TypeError("an entry is an object");
  return encodeCanonicalText(text);
}

/** The entry of a text that is canonical already. @throws LedgerError MCA_ENTRY_TOO_LARGE */
export function encodeCanonicalText(text: string): EncodedEntry {
  const length = Buffer.byteLength(text);
  if (length > MAX_ENTRY_BYTES) {
    throw new LedgerError(
      "MCA_ENTRY_TOO_LARGE",
      `The ledger entry would be ${length} bytes long; ${MAX_ENTRY_BYTES} is the most. Fewer or shorter attributes, names or DNS names will do.`,
      { details: { bytes: String(length) } },
    );
  }
  const leaf = Buffer.allocUnsafe(length + 1);
  leaf[0] = LEAF_PREFIX;
  leaf.write(text, 1);
  // By way of a string: a Buffer of its own for each hash costs the collector more than the hash.
  return { bytes: leaf.subarray(1), leafHash: Buffer.from(hash("sha256", leaf, "binary"), "latin1") };
}

const PLAIN = /^[ !#-[\]-~]*$/;

/** A string as RFC 8785 section 3.2.2.2 writes it. @throws LedgerError MCA_ENTRY_INVALID for NUL and lone surrogates */
export function canonicalString(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  if (value.includes("\0") || !value.isWellFormed()) {
    throw new LedgerError(
      "MCA_ENTRY_INVALID",
      "A name or attribute holds a NUL character or broken Unicode, which the record cannot hold. Correct it where it comes from.",
    );
  }
  return JSON.stringify(value);
}

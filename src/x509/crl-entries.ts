// Looks certificates up in the list of a CRL (RFC 5280 sections 5.1.2.6 and 5.3). The list may have a million entries: it is walked
// octet by octet, nothing is built but for the entries that are looked for, and the walk is cut into steps, so that
// whoever drives it can let others run. Every entry is held to the form: a list that is damaged anywhere answers nothing.
import type { Crl } from "./crl.ts";
import { encodeOid } from "./der/oid.ts";
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors } from "./errors.ts";
import { readExtensions } from "./extensions.ts";
import { oid } from "./oids.ts";
import { type RevocationReason, readRevocationReason } from "./revocation-reason.ts";

/** What a CRL says about one certificate. */
export interface RevokedEntry {
  /** Unix milliseconds. */
  readonly revokedAt: number;
  /** "unspecified" where the entry names none. */
  readonly reason: RevocationReason;
  /** When the key is known or suspected to have become invalid, Unix milliseconds. */
  readonly invalidityDate: number | undefined;
}

/** About a millisecond. */
const ENTRIES_PER_STEP = 4096;
/** Bounds a step: serial number, time and a few extensions need less than a tenth. */
const MAX_ENTRY_OCTETS = 4096;
const REASON = encodeOid(oid.crlReason);
const INVALIDITY_DATE = encodeOid(oid.invalidityDate);
const UTC_TIME_OCTETS = 13;
const GENERALIZED_TIME_OCTETS = 15;

/** A cursor without objects: `read` steps over one element and leaves its bounds in the fields. */
class Cursor {
  readonly bytes: Uint8Array;
  /** Of the element that was read last. */
  contents = 0;
  next = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Reads identifier and length at `at`, within `end`. Returns the identifier octet. */
  read(at: number, end: number): number {
    const { bytes } = this;
    const identifier = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0;
    let contents = at + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 4) throw damaged(at);
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[contents++] ?? 0);
      if (length < 0x80 || (octets > 1 && length < 256 ** (octets - 1))) throw damaged(at);
    }
    if (contents > end || length > end - contents || (identifier & 0x1f) === 0x1f) throw damaged(at);
    this.contents = contents;
    this.next = contents + length;
    return identifier;
  }
}

function damaged(at: number): Error {
  return derMalformed("the list of revoked certificates is damaged", at);
}

/**
 * Looks certificates up. Each step takes about a millisecond.
 * @param serials magnitudes of serial numbers, as certificates have them
 * @returns for each serial number its entry, or undefined where the CRL does not list it
 * @throws X509Error MCA_CRL_MALFORMED, also for a critical entry extension that is not understood (section 5.3)
 */
export function* findRevoked(
  crl: Crl,
  serials: readonly Uint8Array[],
): Generator<void, readonly (RevokedEntry | undefined)[]> {
  const wanted = serials.map(integerContents);
  const found: (RevokedEntry | undefined)[] = serials.map(() => undefined);
  const cursor = new Cursor(crl.entries);
  let at = 0;
  while (at < crl.entries.length) {
    at = mapDerErrors("MCA_CRL_MALFORMED", "The CRL", () => walk(crl, cursor, at, wanted, found));
    yield;
  }
  return found;
}

/** The contents octets of an INTEGER, so that a negative number of a list never equals one of ours. */
function integerContents(magnitude: Uint8Array): Uint8Array {
  return (magnitude[0] ?? 0) >= 0x80 ? Uint8Array.of(0, ...magnitude) : magnitude;
}

/** Walks the entries of one step from `from`; returns where the next step begins. */
function walk(
  { version }: Crl,
  cursor: Cursor,
  from: number,
  wanted: readonly Uint8Array[],
  found: (RevokedEntry | undefined)[],
): number {
  const { bytes } = cursor;
  let at = from;
  for (let count = 0; count < ENTRIES_PER_STEP && at < bytes.length; count++) {
    if (cursor.read(at, bytes.length) !== tag.sequence) throw damaged(at);
    const start = at;
    const serialAt = cursor.contents;
    const end = cursor.next;
    if (end - start > MAX_ENTRY_OCTETS) throw damaged(at);
    if (cursor.read(serialAt, end) !== tag.integer) throw damaged(serialAt);
    const serial = cursor.contents;
    const serialEnd = cursor.next;
    checkInteger(bytes, serial, serialEnd);
    const timeTag = cursor.read(serialEnd, end);
    const octets = timeTag === tag.utcTime ? UTC_TIME_OCTETS : GENERALIZED_TIME_OCTETS;
    if (timeTag !== tag.utcTime && timeTag !== tag.generalizedTime) throw damaged(serialEnd);
    if (cursor.next - cursor.contents !== octets) throw damaged(serialEnd);
    if (cursor.next !== end) {
      if (version === 1) throw damaged(cursor.next);
      checkEntryExtensions(cursor, cursor.next, end);
    }
    for (let i = 0; i < wanted.length; i++) {
      const one = wanted[i];
      if (one === undefined || found[i] !== undefined || !sameOctets(bytes, serial, serialEnd, one)) continue;
      found[i] = readEntry(bytes.subarray(start, end));
    }
    at = end;
  }
  return at;
}

function checkInteger(bytes: Uint8Array, from: number, to: number): void {
  const first = bytes[from] ?? 0;
  if (to === from) throw damaged(from);
  if (to - from === 1) return;
  const second = bytes[from + 1] ?? 0;
  if ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)) throw damaged(from);
}

function sameOctets(bytes: Uint8Array, from: number, to: number, other: Uint8Array): boolean {
  if (to - from !== other.length) return false;
  // From the end: neighbours in a list share the beginning of their serial numbers.
  for (let i = other.length - 1; i >= 0; i--) if (bytes[from + i] !== other[i]) return false;
  return true;
}

/** Form and critical flags alone. */
function checkEntryExtensions(cursor: Cursor, from: number, end: number): void {
  const { bytes } = cursor;
  if (cursor.read(from, end) !== tag.sequence || cursor.next !== end || cursor.contents === end) throw damaged(from);
  let at = cursor.contents;
  while (at < end) {
    if (cursor.read(at, end) !== tag.sequence) throw damaged(at);
    const { contents: idAt, next: extensionEnd } = cursor;
    if (cursor.read(idAt, extensionEnd) !== tag.oid) throw damaged(idAt);
    const { contents: id, next: idEnd } = cursor;
    let valueAt = idEnd;
    if (cursor.read(valueAt, extensionEnd) === tag.boolean) {
      if (cursor.next - cursor.contents !== 1 || bytes[cursor.contents] !== 0xff) throw damaged(valueAt);
      if (!sameOctets(bytes, id, idEnd, REASON) && !sameOctets(bytes, id, idEnd, INVALIDITY_DATE)) {
        throw derMalformed(
          "an entry has a critical extension that is not understood (indirect CRLs are not supported)",
        );
      }
      valueAt = cursor.next;
    }
    if (cursor.read(valueAt, extensionEnd) !== tag.octetString || cursor.next !== extensionEnd) throw damaged(valueAt);
    at = extensionEnd;
  }
}

/** An entry that was looked for, whole. */
function readEntry(der: Uint8Array): RevokedEntry {
  const reader = new DerReader(der).enter(tag.sequence, "an entry");
  reader.contents(tag.integer, "an entry's serial number");
  const revokedAt = reader.time("an entry's revocation date");
  let reason: RevocationReason = "unspecified";
  let invalidityDate: number | undefined;
  const extensions = reader.isDone ? [] : readExtensions(reader, "an entry's extensions");
  reader.end("an entry");
  for (const { oid: id, value } of extensions) {
    const inner = new DerReader(value);
    if (id === oid.crlReason) {
      reason = readRevocationReason(inner);
      inner.end("the revocation reason");
    } else if (id === oid.invalidityDate) {
      if (inner.nextTag !== tag.generalizedTime) throw derMalformed("the invalidity date is no GeneralizedTime");
      invalidityDate = inner.time("the invalidity date");
      inner.end("the invalidity date");
    }
  }
  // Section 5.3.1: only delta CRLs take anything from a list.
  if (reason === "removeFromCRL") throw derMalformed("an entry of a complete CRL has the reason removeFromCRL");
  return { revokedAt, reason, invalidityDate };
}

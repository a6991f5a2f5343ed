// Writes header blocks (RFC 7541) of one direction of one connection. Strings are never Huffman-coded: the standard leaves that to us, and on
// a mesh's links the third that it saves of the few octets that are not in the table is worth less than the time both ends spend on it.
// Credentials are never in the table, and are marked so that nobody behind us puts them into one (encoding-rules.ts); so is what came marked.
// Writes names and values as they are: callers have checked them. What it must never do is to cut a character to its low octet, which could be a
// line break; so characters above U+00FF are a TypeError.
import type { FieldList } from "../field-list.ts";
import { INITIAL_TABLE_BYTES } from "./dynamic-table.ts";
import { NAME_RULES } from "./encoding-rules.ts";
import { EncodingTable } from "./encoding-table.ts";

/** First octets of the representations (section 6), and what their prefixes hold. */
const INDEXED = 0x80;
const INDEXED_PREFIX = 0x7f;
const ADDED = 0x40;
const ADDED_PREFIX = 0x3f;
const SIZE_UPDATE = 0x20;
const SIZE_UPDATE_PREFIX = 0x1f;
const NEVER_INDEXED = 0x10;
const NOT_ADDED = 0x00;
const NOT_ADDED_PREFIX = 0x0f;
const LENGTH_PREFIX = 0x7f;

/** Octets of an integer: 28 bits behind its prefix and more than any string here. */
const INTEGER_BYTES = 6;
/** Shorter strings are written in a loop, which is faster than a call into Node. */
const LOOP_CHARACTERS = 32;
const BEYOND_LATIN1 = /[\u0100-\uffff]/;

export class HpackEncoder {
  readonly #table = new EncodingTable();
  /** The smallest size since the last block, where a size update is due (section 4.2). */
  #smallest = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, in bytes; we use at most 4096 of it. A size update goes out with the next block. */
  setPeerTableBytes(bytes: number): void {
    const size = Math.min(bytes, INITIAL_TABLE_BYTES);
    if (size !== this.#table.maxBytes) this.#resize(size);
  }

  /** An upper bound of what encode() writes for these fields, in bytes. */
  bound(fields: FieldList): number {
    let bytes = 2 * INTEGER_BYTES;
    for (let index = 0; index < fields.length; index += 1) bytes += (fields[index] ?? "").length + INTEGER_BYTES;
    return bytes + (fields.length >> 1) * INTEGER_BYTES;
  }

  /**
   * Writes the block of `fields` (name, value, name, value ..., latin1, names in lower case) at `offset`; target has bound() bytes there.
   * @returns the offset behind it
   * @throws TypeError when a character is above U+00FF: the caller's bug. The block must not be sent; the next one is right again
   */
  encode(target: Buffer, offset: number, fields: FieldList): number {
    const { neverIndexed } = fields;
    let at = this.#smallest < 0 ? offset : this.#writeSizeUpdates(target, offset);
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const name = fields[index] ?? "";
      const value = fields[index + 1] ?? "";
      at =
        neverIndexed?.has(name) === true
          ? this.#writeNeverIndexed(target, at, name, value)
          : this.#writeField(target, at, name, value);
    }
    return at;
  }

  #writeNeverIndexed(target: Buffer, at: number, name: string, value: string): number {
    const nameIndex = NAME_RULES.get(name)?.staticIndex ?? 0;
    return this.#writeLiteral(target, at, NEVER_INDEXED, nameIndex, name, value);
  }

  #writeField(target: Buffer, at: number, name: string, value: string): number {
    const known = this.#table.find(name);
    if (known === undefined) {
      return this.#writeLiteral(target, at, this.#table.takes(name, value) ? ADDED : NOT_ADDED, 0, name, value);
    }
    const { rule } = known;
    if (rule.writing === "never") return this.#writeNeverIndexed(target, at, name, value);
    for (let entry = 0; entry < rule.staticValues.length; entry += 1) {
      if (rule.staticValues[entry] === value) return writeIndexed(target, at, rule.staticIndex + entry);
    }
    const nameIndex = this.#table.nameIndexOf(known);
    // Of a name whose values change, the first is added all the same, when it is not static: then its name is in the table.
    if (rule.writing === "plain" && nameIndex !== 0) {
      return this.#writeLiteral(target, at, NOT_ADDED, nameIndex, name, value);
    }
    const found = this.#table.indexOf(known, value);
    if (found !== 0) return writeIndexed(target, at, found);
    return this.#writeLiteral(target, at, this.#table.takes(name, value) ? ADDED : NOT_ADDED, nameIndex, name, value);
  }

  #writeLiteral(target: Buffer, at: number, kind: number, nameIndex: number, name: string, value: string): number {
    const prefix = kind === ADDED ? ADDED_PREFIX : NOT_ADDED_PREFIX;
    let next = writeInteger(target, at, kind, prefix, nameIndex);
    if (nameIndex === 0) next = this.#writeText(target, next, name);
    next = this.#writeText(target, next, value);
    if (kind === ADDED) this.#table.add(name, value);
    return next;
  }

  #writeText(target: Buffer, at: number, text: string): number {
    const { length } = text;
    const from = writeInteger(target, at, 0, LENGTH_PREFIX, length);
    if (length > LOOP_CHARACTERS) {
      if (BEYOND_LATIN1.test(text)) this.#refuse();
      target.write(text, from, length, "latin1");
      return from + length;
    }
    let seen = 0;
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index);
      seen |= code;
      target[from + index] = code;
    }
    if (seen > 0xff) this.#refuse();
    return from + length;
  }

  /** The block is not sent, so the peer would not have what it added: both tables begin anew. */
  #refuse(): never {
    const size = this.#table.maxBytes;
    this.#resize(0);
    this.#resize(size);
    throw new TypeError("a field has a character above U+00FF");
  }

  #resize(bytes: number): void {
    this.#smallest = this.#smallest < 0 ? bytes : Math.min(this.#smallest, bytes);
    this.#table.resize(bytes);
  }

  /** The smallest size and then the last, when they differ: the peer has to evict what we evicted (section 4.2). */
  #writeSizeUpdates(target: Buffer, offset: number): number {
    const size = this.#table.maxBytes;
    let at = offset;
    if (this.#smallest < size) at = writeInteger(target, at, SIZE_UPDATE, SIZE_UPDATE_PREFIX, this.#smallest);
    this.#smallest = -1;
    return writeInteger(target, at, SIZE_UPDATE, SIZE_UPDATE_PREFIX, size);
  }
}

function writeIndexed(target: Buffer, at: number, index: number): number {
  return writeInteger(target, at, INDEXED, INDEXED_PREFIX, index);
}

/** An integer (section 5.1) whose first octet has the bits of `kind` above its prefix. */
function writeInteger(target: Buffer, at: number, kind: number, prefix: number, value: number): number {
  if (value < prefix) {
    target[at] = kind | value;
    return at + 1;
  }
  target[at] = kind | prefix;
  let next = at + 1;
  let rest = value - prefix;
  for (; rest >= 0x80; rest >>>= 7) {
    target[next] = (rest & 0x7f) | 0x80;
    next += 1;
  }
  target[next] = rest;
  return next + 1;
}

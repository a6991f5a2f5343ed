// Reads header blocks (RFC 7541) of one direction of one connection. Whatever a block says, it is decoded to its end, so that the dynamic table
// stays in step with the peer's; what cannot be decoded is an HpackError, and then the connection cannot go on (COMPRESSION_ERROR).
// Work is bounded by the octets of the block: every step of the loop eats at least one, and a field that is found in the table is neither
// copied nor looked at again. A large value that is named a thousand times costs a thousand pointers at most, and no more than the limits let
// through: behind them fields are counted and not kept.
import type { FieldList, GrowingFieldList } from "../field-list.ts";
import { DecodedField, DecodingTable } from "./decoding-table.ts";
import { INITIAL_TABLE_BYTES } from "./dynamic-table.ts";
import { CREDENTIALS } from "./encoding-rules.ts";
import { isFieldName, isFieldValue } from "./field-octets.ts";
import { decodeHuffman, huffmanBound } from "./huffman.ts";

/** What makes a decoded list malformed (RFC 9113 section 8.2.1), or larger than we take. */
export type FieldFault = "field-name" | "field-value" | "list-too-large";

/** A block that cannot be decoded: the connection ends with COMPRESSION_ERROR (RFC 9113 section 4.3). */
export class HpackError extends Error {}

export interface DecoderLimits {
  /** What we announced as SETTINGS_HEADER_TABLE_SIZE: 4096 or more. */
  readonly maxTableBytes: number;
  /** As RFC 9113 section 6.5.2 counts: name, value and 32 for each field. */
  readonly maxListBytes: number;
  readonly maxFields: number;
}

/** More than any string that fits in a block; beyond it 32-bit arithmetic would lie. */
const MAX_INTEGER = 0x0fff_ffff;

/** Where Huffman strings are decoded to, unless they are longer. Shared: nothing in it outlives a call. */
const scratch = Buffer.allocUnsafeSlow(4096);

export class HpackDecoder {
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  readonly #maxFields: number;
  readonly #table = new DecodingTable();
  #fault: FieldFault | undefined;
  #listBytes = 0;
  #at = 0;
  #end = 0;
  /** Whether the string that was read last is not what its place allows. */
  #textIsBad = false;

  /** @throws TypeError for a table below 4096: the peer may use that much before it knows our settings, and we do not follow when it does */
  constructor(limits: DecoderLimits) {
    if (limits.maxTableBytes < INITIAL_TABLE_BYTES) throw new TypeError("maxTableBytes must be 4096 or more");
    this.#maxTableBytes = limits.maxTableBytes;
    this.#maxListBytes = limits.maxListBytes;
    this.#maxFields = limits.maxFields;
  }

  /** What is wrong with the list of the last block: the first finding; undefined when it is fine. */
  get fault(): FieldFault | undefined {
    return this.#fault;
  }

  /** Bytes of the last block's list, with the fields that were not kept (RFC 9113 section 6.5.2). */
  get listBytes(): number {
    return this.#listBytes;
  }

  /**
   * Decodes one whole header block, block[start..end).
   * @returns name, value, name, value ... in latin1, with its marks, without the fields beyond the limits; look at `fault` before use
   * @throws HpackError when the block cannot be decoded; the decoder is of no use after it
   */
  decode(block: Buffer, start = 0, end: number = block.length): FieldList {
    const fields: GrowingFieldList = [];
    let marked: Set<string> | undefined;
    const table = this.#table;
    this.#fault = undefined;
    this.#at = start;
    this.#end = end;
    let listBytes = 0;
    this.#readSizeUpdates(block);
    while (this.#at < end) {
      const first = block[this.#at] ?? 0;
      this.#at += 1;
      let field: DecodedField;
      if (first >= 0x80) {
        const index = first === 0xff ? this.#readInteger(block, 0x7f) : first & 0x7f;
        field = table.find(index) ?? noEntry(index);
      } else if (first >= 0x40) {
        field = this.#readLiteral(block, first & 0x3f, 0x3f);
        table.add(field);
      } else if (first < 0x20) {
        // Without indexing, or (with 0x10) never indexed.
        field = this.#readLiteral(block, first & 0x0f, 0x0f);
        // Behind a fault nobody passes the list on: what is kept of it stays within the limits.
        if (first >= 0x10 && this.#fault === undefined && !CREDENTIALS.has(field.name)) {
          marked ??= new Set();
          marked.add(field.name);
        }
      } else {
        throw new HpackError("a size update stands behind a field or is the third");
      }
      listBytes += field.bytes;
      if (field.nameIsBad) this.#fault ??= "field-name";
      else if (field.valueIsBad) this.#fault ??= "field-value";
      if (listBytes > this.#maxListBytes || fields.length >= 2 * this.#maxFields) this.#fault ??= "list-too-large";
      else fields.push(field.name, field.value);
    }
    this.#listBytes = listBytes;
    if (marked !== undefined) fields.neverIndexed = marked;
    return fields;
  }

  /** Up to two updates of the table's size, at a block's beginning alone (RFC 7541 section 4.2). */
  #readSizeUpdates(block: Buffer): void {
    for (let updates = 0; updates < 2 && this.#at < this.#end; updates += 1) {
      const first = block[this.#at] ?? 0;
      if (first >> 5 !== 1) return;
      this.#at += 1;
      const bytes = first === 0x3f ? this.#readInteger(block, 0x1f) : first & 0x1f;
      if (bytes > this.#maxTableBytes) throw new HpackError("a size update above the size that we announced");
      this.#table.resize(bytes);
    }
  }

  /** @param index the name's number as far as the prefix holds it, up to `full`: the prefix with ones alone; 0: the name follows */
  #readLiteral(block: Buffer, index: number, full: number): DecodedField {
    let name: string;
    let nameIsBad: boolean;
    if (index === 0) {
      name = this.#readText(block, true);
      nameIsBad = this.#textIsBad;
    } else {
      const number = index === full ? this.#readInteger(block, full) : index;
      const known = this.#table.find(number) ?? noEntry(number);
      name = known.name;
      nameIsBad = known.nameIsBad;
    }
    const value = this.#readText(block, false);
    return new DecodedField(name, nameIsBad, value, this.#textIsBad);
  }

  /** A string (section 5.2); leaves in #textIsBad whether it may stand where it stands. */
  #readText(block: Buffer, isName: boolean): string {
    if (this.#at >= this.#end) throw new HpackError("the block ends within a field");
    const first = block[this.#at] ?? 0;
    this.#at += 1;
    const length = (first & 0x7f) === 0x7f ? this.#readInteger(block, 0x7f) : first & 0x7f;
    const from = this.#at;
    const to = from + length;
    if (to > this.#end) throw new HpackError("a string is longer than the block");
    this.#at = to;
    if (first < 0x80) {
      this.#textIsBad = isName ? !isFieldName(block, from, to) : !isFieldValue(block, from, to);
      return block.toString("latin1", from, to);
    }
    const most = huffmanBound(length);
    const text = most <= scratch.length ? scratch : Buffer.allocUnsafeSlow(most);
    const size = decodeHuffman(block, from, to, text);
    if (size < 0) throw new HpackError("a Huffman string has EOS in it or is not padded with EOS's first bits");
    this.#textIsBad = isName ? !isFieldName(text, 0, size) : !isFieldValue(text, 0, size);
    return text.toString("latin1", 0, size);
  }

  /** The rest of an integer whose prefix is all ones and is worth `prefix` (section 5.1). */
  #readInteger(block: Buffer, prefix: number): number {
    let value = prefix;
    // Four octets are 28 bits: a fifth says more than we take, or nothing.
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) throw new HpackError("the block ends within an integer");
      const octet = block[this.#at] ?? 0;
      this.#at += 1;
      value += (octet & 0x7f) << shift;
      if (octet >= 0x80) continue;
      if (value > MAX_INTEGER) break;
      return value;
    }
    throw new HpackError("an integer is larger than we take");
  }
}

function noEntry(index: number): never {
  throw new HpackError(`the table has no entry ${index}`);
}

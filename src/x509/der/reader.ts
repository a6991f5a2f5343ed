// A strict reader of DER (X.690): one-octet tags, definite and minimal lengths, minimal integers, no trailing octets.
// It never recurses: each parser walks the few levels that it knows, and what it does not know stays opaque octets.
// It must never return a value for bytes that another encoding of the same value could have.
import { X509Error } from "../errors.ts";
import { decodeOid } from "./oid.ts";
import { tag } from "./tags.ts";
import { parseGeneralizedTime, parseUtcTime } from "./time.ts";

/** A DER error at an offset of the buffer that is being read. */
export function derMalformed(sentence: string, offset?: number): X509Error {
  return offset === undefined
    ? new X509Error("MCA_DER_MALFORMED", sentence)
    : new X509Error("MCA_DER_MALFORMED", `${sentence} (at octet ${offset})`, { details: { offset: String(offset) } });
}

const hexTag = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

/** A cursor over the elements of one constructed value (or of a whole buffer). */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  // Bounds of the element that #next last stepped over.
  #start = 0;
  #contents = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Whether every element has been read. */
  get isDone(): boolean {
    return this.#at >= this.#end;
  }

  /** The identifier octet of the next element; -1 at the end. */
  get nextTag(): number {
    return this.#at < this.#end ? (this.#bytes[this.#at] ?? -1) : -1;
  }

  /** Fails unless every element has been read: nothing may follow what was understood. */
  end(what: string): void {
    if (this.#at !== this.#end) throw derMalformed(`${what} has octets after its end`, this.#at);
  }

  /** Steps over the next element of identifier octet `expected` (any, if undefined) and remembers its bounds. */
  #next(expected: number | undefined, what: string): void {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = start < this.#end ? (bytes[start] ?? -1) : -1;
    if (found < 0) throw derMalformed(`${what} is missing`, start);
    if (expected !== undefined && found !== expected) {
      throw derMalformed(`${what} has tag ${hexTag(found)} where ${hexTag(expected)} is expected`, start);
    }
    if ((found & 0x1f) === 0x1f) throw derMalformed(`${what} has a tag of several octets`, start);
    let at = start + 1;
    if (at >= this.#end) throw derMalformed(`${what} is cut off in its length`, at);
    let length = bytes[at++] ?? 0;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0) throw derMalformed(`${what} has an indefinite length`, start);
      if (octets > 4) throw derMalformed(`${what} has a length of ${octets} octets`, start);
      if (at + octets > this.#end) throw derMalformed(`${what} is cut off in its length`, at);
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[at++] ?? 0);
      if (length < 0x80 || (octets > 1 && length < 256 ** (octets - 1))) {
        throw derMalformed(`${what} has a length that is not minimal`, start);
      }
    }
    if (length > this.#end - at) throw derMalformed(`${what} is longer than what contains it`, start);
    this.#start = start;
    this.#contents = at;
    this.#at = at + length;
  }

  /** The contents octets of the next element, a view. */
  contents(expected: number, what: string): Uint8Array {
    this.#next(expected, what);
    return this.#bytes.subarray(this.#contents, this.#at);
  }

  /** The next element, whole (identifier, length, contents), a view. */
  element(expected: number | undefined, what: string): Uint8Array {
    this.#next(expected, what);
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** A reader over the contents of the next element, which must be constructed. */
  enter(expected: number, what: string): DerReader {
    this.#next(expected, what);
    return new DerReader(this.#bytes, this.#contents, this.#at);
  }

  /** Like `enter`, with the whole element beside it. */
  enterWhole(expected: number, what: string): { reader: DerReader; whole: Uint8Array } {
    this.#next(expected, what);
    return {
      reader: new DerReader(this.#bytes, this.#contents, this.#at),
      whole: this.#bytes.subarray(this.#start, this.#at),
    };
  }

  /** BOOLEAN, of which DER knows only 0x00 and 0xff. */
  boolean(what: string): boolean {
    const contents = this.contents(tag.boolean, what);
    const value = contents[0];
    if (contents.length !== 1 || (value !== 0x00 && value !== 0xff)) {
      throw derMalformed(`${what} is not a DER BOOLEAN`, this.#start);
    }
    return value === 0xff;
  }

  /** BOOLEAN DEFAULT FALSE: absent is false, and DER forbids an encoded FALSE. */
  defaultFalse(what: string): boolean {
    if (this.nextTag !== tag.boolean) return false;
    if (!this.boolean(what)) throw derMalformed(`${what} encodes its default value FALSE`, this.#start);
    return true;
  }

  /** The magnitude of a non-negative INTEGER without leading zero octets; zero is one zero octet. */
  unsigned(what: string, identifier: number = tag.integer): Uint8Array {
    const contents = this.contents(identifier, what);
    const first = contents[0];
    if (first === undefined) throw derMalformed(`${what} is an INTEGER without octets`, this.#start);
    if (first >= 0x80) throw derMalformed(`${what} is negative`, this.#start);
    if (first !== 0 || contents.length === 1) return contents;
    if ((contents[1] ?? 0) < 0x80) throw derMalformed(`${what} is an INTEGER that is not minimal`, this.#start);
    return contents.subarray(1);
  }

  /** A non-negative INTEGER below 2^31. */
  smallInteger(what: string, identifier: number = tag.integer): number {
    const magnitude = this.unsigned(what, identifier);
    let value = 0;
    for (const octet of magnitude) value = value * 256 + octet;
    if (magnitude.length > 4 || value > 0x7fffffff) throw derMalformed(`${what} is too large`, this.#start);
    return value;
  }

  /** OBJECT IDENTIFIER in dotted form. */
  oid(what: string): string {
    return decodeOid(this.contents(tag.oid, what), what);
  }

  /** The octets of a BIT STRING that has no unused bits. */
  octetBits(what: string): Uint8Array {
    const contents = this.contents(tag.bitString, what);
    if (contents[0] !== 0) throw derMalformed(`${what} is not a BIT STRING of whole octets`, this.#start);
    return contents.subarray(1);
  }

  /**
   * The set bits of a named BIT STRING, bit 0 first (X.690 section 11.2.2: no trailing zero bits).
   * At most 32 bits are taken; `undefined` bits are for the caller to judge.
   */
  namedBits(what: string): readonly number[] {
    const contents = this.contents(tag.bitString, what);
    const unused = contents[0];
    if (unused === undefined || unused > 7) throw derMalformed(`${what} is not a BIT STRING`, this.#start);
    if (contents.length === 1) {
      if (unused !== 0) throw derMalformed(`${what} is not a BIT STRING`, this.#start);
      return [];
    }
    if (contents.length > 5) throw derMalformed(`${what} has too many bits`, this.#start);
    const last = contents[contents.length - 1] ?? 0;
    if ((last & ((1 << unused) - 1)) !== 0 || (last & (1 << unused)) === 0) {
      throw derMalformed(`${what} has trailing zero bits or set padding bits`, this.#start);
    }
    const bits: number[] = [];
    const count = (contents.length - 1) * 8 - unused;
    for (let bit = 0; bit < count; bit++) {
      if (((contents[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) bits.push(bit);
    }
    return bits;
  }

  /** UTCTime or GeneralizedTime in the forms of RFC 5280 section 4.1.2.5, as Unix milliseconds. */
  time(what: string): number {
    if (this.nextTag === tag.utcTime) return parseUtcTime(this.contents(tag.utcTime, what), what);
    return parseGeneralizedTime(this.contents(tag.generalizedTime, what), what);
  }
}

// The parser of bodies: a length, chunked (RFC 9112 7.1), or until the connection ends. It hands out the body's octets as they lie in the
// chunks that it is given. Chunked is read octet by octet where it is framing: a size of 1 to 13 hexadecimal digits and CRLF, CRLF behind
// the data, nothing else: no extension, no space, no sign, no bare LF.
import { type BodyFraming, type FieldList, NO_FIELDS } from "../exchange.ts";
import type { HeadParser } from "./head-parser.ts";
import { CR, HEX_VALUE, LF } from "./octets.ts";
import type { HeadFailure } from "./start-line.ts";

export type BodyFailure = HeadFailure | "chunk-size" | "chunk-extension" | "chunk-end" | "chunk-overhead";

const MAX_SIZE_DIGITS = 13;
const CRLF_BYTES = 2;
const FREE_OVERHEAD_BYTES = 16 * 1024;
const OVERHEAD_DIVISOR = 16;

const DATA = 0;
const SIZE = 1;
const SIZE_LF = 2;
const DATA_CR = 3;
const DATA_LF = 4;
const TRAILERS = 5;

export interface BodyOptions {
  /** Chunk framing beyond 16 KiB plus 1/16 of the data fails. */
  readonly boundOverhead: boolean;
}

export class BodyParser {
  complete = true;
  failure: BodyFailure | undefined;
  /** Set by whoever wants no more events. */
  stopped = false;
  trailers: FieldList = NO_FIELDS;
  readonly #heads: HeadParser;
  readonly #onData: (chunk: Buffer) => void;
  readonly #boundOverhead: boolean;
  #chunked = false;
  #state = DATA;
  /** Octets of data that are still to come: of the body, or of the present chunk. */
  #left = 0;
  #size = 0;
  #sizeDigits = 0;
  #dataBytes = 0;
  #overheadBytes = 0;

  /** `heads` has read the message's head, and reads its trailers. */
  constructor(heads: HeadParser, onData: (chunk: Buffer) => void, options: BodyOptions) {
    this.#heads = heads;
    this.#onData = onData;
    this.#boundOverhead = options.boundOverhead;
  }

  /** Makes ready for the body of the head that was just read. */
  begin(framing: BodyFraming, untilClose: boolean): void {
    this.trailers = NO_FIELDS;
    this.#chunked = framing.kind === "open" && !untilClose;
    this.#left = framing.kind === "length" ? framing.bytes : untilClose ? Number.POSITIVE_INFINITY : 0;
    this.complete = !this.#chunked && this.#left === 0;
    if (!this.#chunked) {
      this.#state = DATA;
      return;
    }
    this.#beginSize();
    this.#dataBytes = 0;
    this.#overheadBytes = 0;
  }

  /** Reads octets of `chunk` from `offset` until `complete`, `failure` or `stopped`. @returns the offset behind what was taken */
  read(chunk: Buffer, offset: number): number {
    let at = offset;
    while (at < chunk.length && !this.complete && this.failure === undefined && !this.stopped) {
      if (this.#state === DATA) at = this.#readData(chunk, at);
      else if (this.#state === TRAILERS) at = this.#readTrailers(chunk, at);
      else at = this.#readFraming(chunk, at);
    }
    return at;
  }

  #readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) {
      if (this.#chunked) this.#state = DATA_CR;
      else this.complete = true;
    }
    this.#onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    return end;
  }

  #readFraming(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#state === DATA_CR) {
      if (chunk[at] !== CR) return this.#fail("chunk-end", at);
      this.#state = DATA_LF;
      if (++at === chunk.length) return at;
    }
    if (this.#state === DATA_LF) {
      if (chunk[at] !== LF) return this.#fail("chunk-end", at);
      this.#beginSize();
      if (++at === chunk.length) return at;
    }
    if (this.#state === SIZE) {
      at = this.#readSize(chunk, at);
      if (at === chunk.length || this.failure !== undefined) return at;
    }
    if (chunk[at] !== LF) return this.#fail("bare-cr", at);
    this.#endSize(at);
    return at + 1;
  }

  #readSize(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const octet = chunk[at] ?? 0;
      const value = HEX_VALUE[octet] ?? 255;
      if (value === 255) {
        if (octet !== CR || this.#sizeDigits === 0) return this.#fail(notASize(octet), at);
        this.#state = SIZE_LF;
        return at + 1;
      }
      if (this.#sizeDigits === MAX_SIZE_DIGITS) return this.#fail("chunk-size", at);
      this.#size = this.#size * 16 + value;
      this.#sizeDigits++;
    }
    return chunk.length;
  }

  #beginSize(): void {
    this.#state = SIZE;
    this.#size = 0;
    this.#sizeDigits = 0;
  }

  #endSize(at: number): void {
    if (this.#size === 0) {
      this.#state = TRAILERS;
      this.#heads.beginTrailers();
      return;
    }
    this.#overheadBytes += this.#sizeDigits + CRLF_BYTES + CRLF_BYTES;
    if (this.#boundOverhead && this.#overheadBytes > FREE_OVERHEAD_BYTES + this.#dataBytes / OVERHEAD_DIVISOR) {
      this.#fail("chunk-overhead", at);
      return;
    }
    this.#dataBytes += this.#size;
    this.#left = this.#size;
    this.#state = DATA;
  }

  #readTrailers(chunk: Buffer, at: number): number {
    const after = this.#heads.read(chunk, at);
    this.failure = this.#heads.failure;
    if (this.#heads.complete) {
      this.trailers = this.#heads.fields();
      this.complete = true;
    }
    return after;
  }

  #fail(failure: BodyFailure, at: number): number {
    this.failure = failure;
    return at;
  }
}

function notASize(octet: number): BodyFailure {
  if (octet === LF) return "bare-lf";
  return octet === 0x3b ? "chunk-extension" : "chunk-size";
}

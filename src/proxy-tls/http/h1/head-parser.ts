// The parser of heads and trailers (RFC 9112 2.1, 5): a first line, field lines, an empty line. Each octet is looked at once, wherever the
// octets are split; the first one in order that may not stand where it stands fails, so that every split of a head fails alike.
// A head that lies in one chunk is read where it is. Octets of an incomplete one are collected in one buffer that is never larger than
// the limit; nothing behind a head is kept. It never trims, joins, unfolds or repairs.
import { VALUE_CHARACTERS } from "../fields/characters.ts";
import { MAX_FIELDS, MAX_HEAD_BYTES } from "../fields/head-size.ts";
import { COLON, CR, HTAB, LF, SP, TOKEN } from "./octets.ts";
import type { HeadFailure, StartLine } from "./start-line.ts";

const FIRST_BUFFER_BYTES = 1024;
const FIRST_MARKS = 64;
/** An end of trailers is not held against a head that filled its limit. */
const END_BYTES = 2;

const FIELD_START = 0;
const NAME = 1;
const BEFORE_VALUE = 2;
const VALUE = 3;
const FIELD_LF = 4;
const END_LF = 5;

/** Marks that no head has: a connection without a head under way holds none. */
const spareMarks: Int32Array[] = [];
const MAX_SPARE_MARKS = 64;
const NO_MARKS = new Int32Array(0);

export class HeadParser {
  /** The empty line was taken. */
  complete = false;
  failure: HeadFailure | undefined;
  /** A head that has begun: at least one octet of it was taken, and not the last one. */
  begun = false;
  readonly #startLine: StartLine;
  #inTrailers = false;
  #state = FIELD_START;
  /** Where each field's name begins and ends, and its value begins and ends, from the beginning of the head. */
  #marks: Int32Array = NO_MARKS;
  #fieldCount = 0;
  #text = "";
  #bytesLeft = MAX_HEAD_BYTES;
  #fieldsLeft = MAX_FIELDS;
  #held: Buffer | undefined;
  #heldLength = 0;

  constructor(startLine: StartLine) {
    this.#startLine = startLine;
  }

  /** Makes ready for the next head. */
  beginHead(): void {
    this.#startLine.begin();
    this.#inTrailers = false;
    this.#bytesLeft = MAX_HEAD_BYTES;
    this.#fieldsLeft = MAX_FIELDS;
    this.#begin();
  }

  /** Makes ready for the trailers that belong to the last head, with what it left of the limits. */
  beginTrailers(): void {
    this.#inTrailers = true;
    this.#bytesLeft += END_BYTES;
    this.#begin();
  }

  /**
   * Reads octets of `chunk` from `offset`, until `complete` or `failure` is set or the chunk ends.
   * @returns the offset behind what was taken
   */
  read(chunk: Buffer, offset: number): number {
    if (offset === chunk.length) return offset;
    this.begun = true;
    if (this.#heldLength > 0) return this.#readHeld(chunk, offset);
    const end = Math.min(chunk.length, offset + this.#bytesLeft);
    const at = this.#scan(chunk, offset, end, offset);
    if (this.complete) this.#finish(chunk, offset, at);
    else if (this.failure === undefined) {
      if (end - offset === this.#bytesLeft) this.failure = "head-too-large";
      else this.#hold(chunk, offset, end);
    }
    return at;
  }

  /** A part of a complete head, by positions from its beginning; valid until the next `begin...`. */
  text(start: number, end: number): string {
    return this.#text.slice(start, end);
  }

  /** The fields of a complete head, in order: name in lower case, value, name, value ... To be asked for once. */
  fields(): string[] {
    const text = this.#text;
    const marks = this.#marks;
    const fields: string[] = [];
    for (let mark = 0; mark < this.#fieldCount * 4; mark += 4) {
      fields.push(text.slice(marks[mark], marks[mark + 1]).toLowerCase(), text.slice(marks[mark + 2], marks[mark + 3]));
    }
    this.#marks = NO_MARKS;
    this.#fieldCount = 0;
    if (marks.length === FIRST_MARKS && spareMarks.length < MAX_SPARE_MARKS) spareMarks.push(marks);
    return fields;
  }

  #begin(): void {
    this.complete = false;
    this.failure = undefined;
    this.begun = false;
    this.#state = FIELD_START;
    this.#fieldCount = 0;
    this.#text = "";
  }

  #readHeld(chunk: Buffer, offset: number): number {
    const before = this.#heldLength;
    this.#hold(chunk, offset, Math.min(chunk.length, offset + this.#bytesLeft - before));
    if (this.#held === undefined) return offset;
    const at = this.#scan(this.#held, before, this.#heldLength, 0);
    if (this.complete) this.#finish(this.#held, 0, at);
    else if (this.failure === undefined && this.#heldLength >= this.#bytesLeft) this.failure = "head-too-large";
    return offset + at - before;
  }

  /** Keeps the octets of an incomplete head. */
  #hold(chunk: Buffer, start: number, end: number): void {
    const length = this.#heldLength + end - start;
    if (this.#held === undefined || this.#held.length < length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(Math.max(FIRST_BUFFER_BYTES, length * 2), Math.max(this.#bytesLeft, length)),
      );
      this.#held?.copy(larger, 0, 0, this.#heldLength);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldLength, start, end);
    this.#heldLength = length;
  }

  #finish(octets: Buffer, start: number, end: number): void {
    this.#text = octets.toString("latin1", start, end);
    this.#bytesLeft -= end - start;
    this.#fieldsLeft -= this.#fieldCount;
    this.#held = undefined;
    this.#heldLength = 0;
    this.begun = false;
  }

  #scan(octets: Buffer, from: number, end: number, base: number): number {
    const line = this.#startLine;
    if (this.#inTrailers || line.done) return this.#scanFields(octets, from, end, base);
    const at = line.read(octets, from, end, base);
    if (line.done) return this.#scanFields(octets, at, end, base);
    this.failure = line.failure;
    return at;
  }

  #scanFields(octets: Buffer, from: number, end: number, base: number): number {
    let at = from;
    let state = this.#state;
    let marks = this.#marks;
    let mark = this.#fieldCount * 4;
    while (at < end) {
      if (state === FIELD_START) {
        if (octets[at] === CR) {
          state = END_LF;
          at++;
          continue;
        }
        if (this.#fieldCount === this.#fieldsLeft) return this.#fail("too-many-fields", at);
        if (mark >= marks.length) marks = this.#growMarks();
        marks[mark] = at - base;
        state = NAME;
      }
      if (state === NAME) {
        while (at < end && TOKEN[octets[at] ?? 0] !== 0) at++;
        if (at === end) break;
        const length = at - base - (marks[mark] ?? 0);
        if (octets[at] !== COLON || length === 0) return this.#fail(notAName(octets[at], length), at);
        marks[mark + 1] = at - base;
        state = BEFORE_VALUE;
        at++;
      }
      if (state === BEFORE_VALUE) {
        while (at < end && (octets[at] === SP || octets[at] === HTAB)) at++;
        if (at === end) break;
        marks[mark + 2] = at - base;
        state = VALUE;
      }
      if (state === VALUE) {
        while (at < end && VALUE_CHARACTERS[octets[at] ?? 0] !== 0) at++;
        if (at === end) break;
        if (octets[at] !== CR) return this.#fail(octets[at] === LF ? "bare-lf" : "field-value", at);
        marks[mark + 3] = endOfValue(octets, base + (marks[mark + 2] ?? 0), at) - base;
        state = FIELD_LF;
        at++;
        if (at === end) break;
      }
      if (octets[at] !== LF) return this.#fail("bare-cr", at);
      at++;
      if (state === END_LF) {
        this.complete = true;
        return at;
      }
      this.#fieldCount++;
      mark += 4;
      state = FIELD_START;
    }
    this.#state = state;
    return at;
  }

  #growMarks(): Int32Array {
    const marks = this.#marks;
    if (marks.length === 0) {
      this.#marks = spareMarks.pop() ?? new Int32Array(FIRST_MARKS);
      return this.#marks;
    }
    const larger = new Int32Array(marks.length * 2);
    larger.set(marks);
    this.#marks = larger;
    return larger;
  }

  #fail(failure: HeadFailure, at: number): number {
    this.failure = failure;
    return at;
  }
}

/** Behind the last octet of a value that is neither SP nor HTAB. */
function endOfValue(octets: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && (octets[at - 1] === SP || octets[at - 1] === HTAB)) at--;
  return at;
}

function notAName(octet: number | undefined, length: number): HeadFailure {
  const isSpace = octet === SP || octet === HTAB;
  if (length === 0) return isSpace ? "folded-field" : octet === LF ? "bare-lf" : "field-name";
  if (isSpace) return "space-before-colon";
  return octet === CR || octet === LF ? "field-without-colon" : "field-name";
}

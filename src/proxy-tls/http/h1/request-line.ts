// The request line: method SP request-target SP HTTP-version CRLF (RFC 9112 3), with one space each and nothing else. It never decides
// what a target means, or which methods are wanted.
import { MAX_METHOD_CHARACTERS, METHOD_CHARACTERS } from "../fields/characters.ts";
import { CR, LF, SP, VISIBLE } from "./octets.ts";
import type { HeadFailure, StartLine } from "./start-line.ts";

// "HTTP/1."
const VERSION = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e];
const NAME_LENGTH = 5;
const DIGIT_0 = 0x30;
const DIGIT_1 = 0x31;

const IN_METHOD = 0;
const IN_TARGET = 1;
const IN_VERSION = 2;

export class RequestLine implements StartLine {
  done = false;
  failure: HeadFailure | undefined;
  /** The minor version: HTTP/1.0 or HTTP/1.1. */
  minor: 0 | 1 = 1;
  /** Where method and target end, from the beginning of the head. */
  methodEnd = 0;
  targetEnd = 0;
  readonly #allowHttp10: boolean;
  #state = IN_METHOD;

  constructor(allowHttp10: boolean) {
    this.#allowHttp10 = allowHttp10;
  }

  begin(): void {
    this.done = false;
    this.failure = undefined;
    this.#state = IN_METHOD;
  }

  read(octets: Uint8Array, from: number, end: number, base: number): number {
    let at = from;
    if (this.#state === IN_METHOD) {
      while (at < end && METHOD_CHARACTERS[octets[at] ?? 0] !== 0) at++;
      if (at - base > MAX_METHOD_CHARACTERS) return this.#fail("method", base + MAX_METHOD_CHARACTERS);
      if (at === end) return at;
      if (octets[at] !== SP || at === base) return this.#fail(notAMethod(octets[at], at === base), at);
      this.methodEnd = at - base;
      this.#state = IN_TARGET;
      at++;
    }
    if (this.#state === IN_TARGET) {
      while (at < end && VISIBLE[octets[at] ?? 0] !== 0) at++;
      if (at === end) return at;
      if (octets[at] !== SP || at - base === this.methodEnd + 1) return this.#fail(notATarget(octets[at]), at);
      this.targetEnd = at - base;
      this.#state = IN_VERSION;
      at++;
    }
    return this.#readVersion(octets, at, end, base + this.targetEnd + 1);
  }

  #readVersion(octets: Uint8Array, from: number, end: number, start: number): number {
    for (let at = from; at < end; at++) {
      const octet = octets[at];
      const index = at - start;
      if (index < VERSION.length) {
        if (octet !== VERSION[index]) return this.#fail(index < NAME_LENGTH ? "start-line" : "http-version", at);
      } else if (index === VERSION.length) {
        if (octet === DIGIT_1) this.minor = 1;
        else if (octet === DIGIT_0 && this.#allowHttp10) this.minor = 0;
        else return this.#fail("http-version", at);
      } else if (index === VERSION.length + 1) {
        if (octet !== CR) return this.#fail(octet === LF ? "bare-lf" : "start-line", at);
      } else {
        if (octet !== LF) return this.#fail("bare-cr", at);
        this.done = true;
        return at + 1;
      }
    }
    return end;
  }

  #fail(failure: HeadFailure, at: number): number {
    this.failure = failure;
    return at;
  }
}

function notAMethod(octet: number | undefined, first: boolean): HeadFailure {
  if (octet !== CR && octet !== LF) return "method";
  return first ? "empty-line" : "start-line";
}

function notATarget(octet: number | undefined): HeadFailure {
  return octet === CR || octet === LF ? "start-line" : "target-character";
}

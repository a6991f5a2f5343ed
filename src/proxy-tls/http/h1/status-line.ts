// The status line: HTTP-version SP status-code SP [reason-phrase] CRLF (RFC 9112 4). The second space is not optional. The reason phrase
// is read and forgotten: it means nothing, and is never forwarded.
import { VALUE_CHARACTERS } from "../fields/characters.ts";
import { CR, LF, SP } from "./octets.ts";
import type { HeadFailure, StartLine } from "./start-line.ts";

// "HTTP/1."
const VERSION = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e];
const MINOR_AT = 7;
const STATUS_AT = 9;
/** Where the reason phrase begins. */
const REASON_AT = 13;
const DIGIT_0 = 0x30;
const DIGIT_1 = 0x31;
const DIGIT_5 = 0x35;
const DIGIT_9 = 0x39;

export class StatusLine implements StartLine {
  done = false;
  failure: HeadFailure | undefined;
  minor: 0 | 1 = 1;
  /** 100 to 599. */
  status = 0;
  #afterReason = false;

  begin(): void {
    this.done = false;
    this.failure = undefined;
    this.status = 0;
    this.#afterReason = false;
  }

  read(octets: Uint8Array, from: number, end: number, base: number): number {
    let at = from;
    while (at < end && at - base < REASON_AT) {
      if (!this.#isExpected(octets[at] ?? 0, at - base)) return at;
      at++;
    }
    if (at < end && !this.#afterReason) {
      while (at < end && VALUE_CHARACTERS[octets[at] ?? 0] !== 0) at++;
      if (at === end) return at;
      if (octets[at] !== CR) return this.#fail(octets[at] === LF ? "bare-lf" : "reason-phrase", at);
      this.#afterReason = true;
      at++;
    }
    if (at === end) return at;
    if (octets[at] !== LF) return this.#fail("bare-cr", at);
    this.done = true;
    return at + 1;
  }

  /** The part of fixed length, up to the space behind the status. */
  #isExpected(octet: number, index: number): boolean {
    if (index === MINOR_AT) {
      this.minor = octet === DIGIT_0 ? 0 : 1;
      if (octet === DIGIT_0 || octet === DIGIT_1) return true;
      this.failure = "http-version";
    } else if (index < MINOR_AT) {
      if (octet === VERSION[index]) return true;
      this.failure = index === 0 && (octet === CR || octet === LF) ? "empty-line" : "start-line";
    } else if (index === STATUS_AT - 1 || index === REASON_AT - 1) {
      if (octet === SP) return true;
      this.failure = "start-line";
    } else {
      this.status = this.status * 10 + octet - DIGIT_0;
      const last = index === STATUS_AT ? DIGIT_5 : DIGIT_9;
      if (octet >= (index === STATUS_AT ? DIGIT_1 : DIGIT_0) && octet <= last) return true;
      this.failure = "status";
    }
    return false;
  }

  #fail(failure: HeadFailure, at: number): number {
    this.failure = failure;
    return at;
  }
}

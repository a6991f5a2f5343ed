// Where a message ends (RFC 9112 6), decided once from the received fields. Stricter than the standard wherever two readers of one message
// could disagree: one Content-Length, one Transfer-Encoding with the one coding `chunked`, never both.
// What is written on the other side comes from the result alone; the fields themselves are never copied.
import { type BodyFraming, type FieldList, NO_BODY, OPEN_BODY } from "../exchange.ts";

export type FramingFailure =
  | "length-and-chunked"
  | "two-lengths"
  | "length-value"
  | "two-transfer-encodings"
  | "transfer-encoding"
  | "transfer-encoding-in-1.0"
  | "framing-in-bodyless";

const MAX_LENGTH_DIGITS = 15;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** What the framing fields of a head say; undefined framing: neither field is there. */
export interface DeclaredFraming {
  readonly failure: FramingFailure | undefined;
  readonly framing: BodyFraming | undefined;
}

const NOTHING: DeclaredFraming = { failure: undefined, framing: undefined };
const CHUNKED: DeclaredFraming = { failure: undefined, framing: OPEN_BODY };
const EMPTY: DeclaredFraming = { failure: undefined, framing: { kind: "length", bytes: 0 } };

/** Reads Content-Length and Transfer-Encoding. `fields` have lower-case names. */
export function declaredFraming(fields: FieldList, minor: 0 | 1): DeclaredFraming {
  let length: string | undefined;
  let coding: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i];
    if (name === "content-length") {
      if (length !== undefined) return failed("two-lengths");
      length = fields[i + 1];
    } else if (name === "transfer-encoding") {
      if (coding !== undefined) return failed("two-transfer-encodings");
      coding = fields[i + 1];
    }
  }
  if (coding !== undefined) {
    if (length !== undefined) return failed("length-and-chunked");
    if (minor === 0) return failed("transfer-encoding-in-1.0");
    return coding.toLowerCase() === "chunked" ? CHUNKED : failed("transfer-encoding");
  }
  return length === undefined ? NOTHING : declaredLength(length);
}

/** Whether a response to `method` with `status` ends at its head, whatever its fields say (RFC 9112 6.3, 1). */
export function endsAtHead(method: string, status: number): boolean {
  return method === "HEAD" || status === 304 || status === 204 || status < 200;
}

/** Whether a response with `status` may say nothing about a body at all (RFC 9110 8.6, RFC 9112 6.1). */
export function forbidsFraming(status: number): boolean {
  return status === 204 || status < 200;
}

/**
 * What is told on of a response that ends at its head: its length, because it is the one that GET would have had; that it would have been
 * chunked says nothing.
 */
export function announcedFraming(framing: BodyFraming | undefined): BodyFraming {
  return framing?.kind === "length" ? framing : NO_BODY;
}

/** 1 to 15 digits, no leading zero: every value is an exact number, and has one spelling. */
function declaredLength(text: string): DeclaredFraming {
  if (text === "0") return EMPTY;
  if (text.length === 0 || text.length > MAX_LENGTH_DIGITS || text.charCodeAt(0) === DIGIT_0) {
    return failed("length-value");
  }
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i);
    if (digit < DIGIT_0 || digit > DIGIT_9) return failed("length-value");
    bytes = bytes * 10 + digit - DIGIT_0;
  }
  return { failure: undefined, framing: { kind: "length", bytes } };
}

function failed(failure: FramingFailure): DeclaredFraming {
  return { failure, framing: undefined };
}

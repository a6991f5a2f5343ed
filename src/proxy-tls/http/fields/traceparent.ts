// W3C Trace Context, level 1, section 3.2: traceparent. A valid one passes as it came: we record no span of our own, and naming one that
// nobody can find would tear the trace apart. Where there is none, one is started.
import type { RandomSource } from "../../../runtime/index.ts";

const CHARACTERS = 55;
const DASH = 0x2d;
const DASHES = [2, 35, 52] as const;
const TRACE_ID = 3;
const TRACE_ID_END = 35;
const PARENT_ID = 36;
const PARENT_ID_END = 52;
const TRACE_ID_BYTES = 16;
const STARTED_BYTES = 24;

/** The trace id (32 hexadecimal digits in lower case) of a traceparent that is valid. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(TRACE_ID, TRACE_ID_END);
}

/** Whether a traceparent is valid. */
export function isTraceparent(text: string): boolean {
  if (text.startsWith("ff")) return false;
  // Later versions may add fields, after another dash.
  if (text.length > CHARACTERS && (text.startsWith("00") || text.charCodeAt(CHARACTERS) !== DASH)) return false;
  for (let index = 0; index < CHARACTERS; index += 1) {
    const code = text.charCodeAt(index);
    if (code === DASH ? !isDash(index) : isDash(index) || !isLowerHex(code)) return false;
  }
  return !isZero(text, TRACE_ID, TRACE_ID_END) && !isZero(text, PARENT_ID, PARENT_ID_END);
}

/**
 * Starts a trace. Its flag says sampled: with 00 the samplers that follow their caller, the usual ones, would switch tracing off in every
 * application behind us.
 */
export function startTrace(random: RandomSource): string {
  const hex = Buffer.from(random.bytes(STARTED_BYTES)).toString("hex");
  return `00-${hex.slice(0, TRACE_ID_BYTES * 2)}-${hex.slice(TRACE_ID_BYTES * 2)}-01`;
}

function isDash(index: number): boolean {
  return index === DASHES[0] || index === DASHES[1] || index === DASHES[2];
}

function isLowerHex(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
}

function isZero(text: string, start: number, end: number): boolean {
  for (let index = start; index < end; index += 1) if (text[index] !== "0") return false;
  return true;
}

// One line of the access log, built by hand, because it is written for each request: pino would cost more than the decision. It looks
// like pino's lines (level, time, event, msg), is ASCII, and holds no secret: no field of a request but its target and request ID.
import { PIPE_PIECE_BYTES } from "../../runtime/index.ts";
import type { AbortCause } from "../http/exchange.ts";
import type { Decision, PolicyMatch } from "../policy/decision.ts";
import { jsonText } from "./json-text.ts";
import type { ConnectionRecord, ExchangeRecord } from "./records.ts";

/** A line is one piece of what a pipe takes whole. */
export const MAX_LINE_BYTES = PIPE_PIECE_BYTES;

/** SPIFFE IDs have at most 2,048 bytes. They are never cut: a line that holds two very long ones may be longer than MAX_LINE_BYTES. */
const MAX_ID = 2_048;
const MAX_AUTHORITY = 300;
/** Of words that are ours or were validated: names, addresses, ids. */
const MAX_WORD = 256;
const MAX_TARGET = 2_048;
const MIN_TARGET = 256;
/** Policies that matched without deciding, of each kind; how many more there were is told. */
const MAX_MATCHES = 8;
/** What follows the target: its whole length, the message, the line's end. */
const TAIL_BYTES = 64;

/** The line of a request, with its line break. */
export function exchangeLine(record: ExchangeRecord): string {
  let line = requestStart(record.startedAt + record.durationMs);
  line += `,"listener":${jsonText(record.listener, MAX_WORD)},"protocol":"${record.protocol}"`;
  if (record.method !== undefined) line += `,"method":${jsonText(record.method, MAX_WORD)}`;
  if (record.authority !== undefined) line += `,"authority":${jsonText(record.authority, MAX_AUTHORITY)}`;
  if (record.status !== undefined) line += `,"status":${record.status}`;
  line += `,"durationMs":${milliseconds(record.durationMs)}`;
  if (record.addedMs !== undefined) line += `,"addedMs":${milliseconds(record.addedMs)}`;
  line += `,"requestBytes":${record.requestBytes},"responseBytes":${record.responseBytes}`;
  line += peers(record);
  if (record.requestId !== undefined) line += `,"requestId":${jsonText(record.requestId, MAX_WORD)}`;
  if (record.traceId !== undefined) line += `,"traceId":${jsonText(record.traceId, MAX_WORD)}`;
  if (record.upstream !== undefined) line += `,"attempts":${record.attempts}`;
  if (record.decision !== undefined) line += `,"decision":${decisionText(record.decision)}`;
  if (record.refusal !== undefined) line += `,"refusal":${refusalText(record.refusal)}`;
  if (record.aborted !== undefined) {
    line += `,"aborted":{"by":"${record.aborted.by}",${causeText(record.aborted.cause)}}`;
  }
  const { target } = record;
  if (target !== undefined) {
    // Last, because it takes what room is left.
    const room = MAX_LINE_BYTES - line.length - TAIL_BYTES;
    const text = jsonText(target, Math.min(MAX_TARGET, Math.max(MIN_TARGET, room)));
    line += `,"target":${text}`;
    if (target.length > text.length - 2) line += `,"targetLength":${target.length}`;
  }
  return `${line},"msg":"request"}\n`;
}

/** The line of a connection, with its line break. `leftOut`: how many of its like were left out before it. */
export function connectionLine(record: ConnectionRecord, leftOut: number): string {
  let line = lineStart(record.startedAt + record.durationMs, "proxy.connection");
  line += `,"listener":${jsonText(record.listener, MAX_WORD)},"end":${jsonText(record.end, MAX_WORD)}`;
  line += `,"durationMs":${milliseconds(record.durationMs)}`;
  line += `,"receivedBytes":${record.receivedBytes},"sentBytes":${record.sentBytes}`;
  line += peers(record);
  if (record.decision !== undefined) line += `,"decision":${decisionText(record.decision)}`;
  if (leftOut > 0) line += `,"leftOut":${leftOut}`;
  return `${line},"msg":"connection"}\n`;
}

/** The line that tells how many lines could not be written. @param time Unix milliseconds */
export function lostLine(time: number, lost: number): string {
  const start = lineStart(time, "proxy.access_log_lost", "warn");
  return `${start},"lost":${lost},"msg":"lines of the access log were left out: nobody read fast enough, or they could not be written"}\n`;
}

function peers(record: ExchangeRecord | ConnectionRecord): string {
  let text = "";
  if (record.peer !== undefined) text += `,"peer":${jsonText(record.peer, MAX_ID)}`;
  if (record.remoteAddress !== undefined) text += `,"remoteAddress":${jsonText(record.remoteAddress, MAX_WORD)}`;
  if (record.upstream !== undefined) text += `,"upstream":${jsonText(record.upstream, MAX_WORD)}`;
  if (record.upstreamPeer !== undefined) text += `,"upstreamPeer":${jsonText(record.upstreamPeer, MAX_ID)}`;
  return text;
}

/** Of decisions that name nothing beside what decided: one object for each rule, for as long as its policies are in force. */
const texts = new WeakMap<Decision, string>();

/** The decision as JSON.stringify would write it, up to the number of matches. */
function decisionText(decision: Decision): string {
  if (decision.dryRun.length + decision.audit.length > 0) return newDecisionText(decision);
  let text = texts.get(decision);
  if (text === undefined) {
    text = flat(newDecisionText(decision));
    texts.set(decision, text);
  }
  return text;
}

/** The same ASCII text in one piece: V8 keeps what was put together as a tree, and walks it each time. */
function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

function newDecisionText(decision: Decision): string {
  const { effect, policy, rule, reason, dryRun, audit } = decision;
  let text = `{"effect":"${effect}"`;
  if (policy !== undefined) text += `,"policy":${jsonText(policy, MAX_WORD)}`;
  if (rule !== undefined) text += `,"rule":${rule}`;
  text += `,"reason":"${reason}","dryRun":${matchesText(dryRun)},"audit":${matchesText(audit)}`;
  if (dryRun.length > MAX_MATCHES) text += `,"moreDryRun":${dryRun.length - MAX_MATCHES}`;
  if (audit.length > MAX_MATCHES) text += `,"moreAudit":${audit.length - MAX_MATCHES}`;
  return `${text}}`;
}

function matchesText(matches: readonly PolicyMatch[]): string {
  if (matches.length === 0) return "[]";
  let text = "";
  for (const { policy, rule, action } of matches.slice(0, MAX_MATCHES)) {
    text += `${text === "" ? "[" : ","}{"policy":${jsonText(policy, MAX_WORD)},"rule":${rule},"action":"${action}"}`;
  }
  return `${text}]`;
}

function refusalText({ code, reason }: { readonly code: string; readonly reason: string }): string {
  return `{"code":"${code}","reason":${jsonText(reason, MAX_WORD)}}`;
}

function causeText(cause: AbortCause): string {
  switch (cause.kind) {
    case "peer-gone":
      return '"kind":"peer-gone"';
    case "malformed":
      return `"kind":"malformed","refusal":${refusalText(cause.refusal)}`;
    case "timeout":
      return `"kind":"timeout","deadline":"${cause.deadline}"`;
    case "closed":
      return `"kind":"closed","reason":${jsonText(cause.reason, MAX_WORD)}`;
  }
}

/** What stands behind the whole milliseconds, for each number of microseconds. */
const FRACTIONS: readonly string[] = Array.from({ length: 1_000 }, (_, microseconds) =>
  microseconds === 0 ? "" : `.${String(microseconds).padStart(3, "0").replace(/0+$/, "")}`,
);

/**
 * Milliseconds as JSON, to the microsecond: that is as fine as these times are true. From whole numbers: V8 remembers the text of each number
 * that it has written, and times are hardly ever the same, so that its memory of fractions filled the old generation.
 */
function milliseconds(value: number): string {
  const microseconds = Math.round(Math.max(0, value) * 1_000);
  const whole = Math.floor(microseconds / 1_000);
  return `${whole}${FRACTIONS[microseconds - whole * 1_000]}`;
}

/** The second that was written last, and its text up to the full stop: the calendar is worked out once a second. */
const lastSecond = { second: Number.NaN, text: "" };
/** The start of a request's line that was written last: requests of one millisecond share it. */
const lastStart = { time: Number.NaN, text: "" };

function requestStart(time: number): string {
  const whole = Math.floor(time);
  if (whole !== lastStart.time) {
    lastStart.text = flat(lineStart(whole, "proxy.request"));
    lastStart.time = whole;
  }
  return lastStart.text;
}

function lineStart(time: number, event: string, level = "info"): string {
  const whole = Math.floor(time);
  const second = Math.floor(whole / 1_000);
  if (second !== lastSecond.second) {
    lastSecond.second = second;
    lastSecond.text = new Date(second * 1_000).toISOString().slice(0, 20);
  }
  const rest = whole - second * 1_000;
  const padded = rest > 99 ? rest : rest > 9 ? `0${rest}` : `00${rest}`;
  return `{"level":"${level}","time":"${lastSecond.text}${padded}Z","event":"${event}"`;
}

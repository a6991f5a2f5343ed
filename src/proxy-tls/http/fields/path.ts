// The path of a request target, as policies match it: checked, and decoded exactly once (RFC 3986 sections 2.4 and 3.3). The target is
// forwarded as it came, so every spelling that another server might read in another way is refused, not repaired. The paths of policies
// go through the same code.
import type { HttpConfig } from "../../config/listeners.ts";
import { badRequest, RefusedError } from "../refusal.ts";
import { characterTable, SUB_DELIMS, UNRESERVED } from "./characters.ts";

/** The name of a rule that a listener may switch off. */
export type PathRelaxation = HttpConfig["relaxPath"][number];

const SLASH = 0x2f;
const PERCENT = 0x25;
const SEMICOLON = 0x3b;
const QUESTION = 0x3f;
const BACKSLASH = 0x5c;

/** What may stand in a path as it came: pchar, "/" and "%". */
const LITERAL = characterTable(`${UNRESERVED}${SUB_DELIMS}:@/%`);
/** The same for a query. */
const QUERY = characterTable(`${UNRESERVED}${SUB_DELIMS}:@/?%`);

const ALLOWED = 0;
const CONTROL = 1;
const ENCODED_UNRESERVED = 2;
const ENCODED_SLASH = 3;
const ENCODED_PERCENT = 4;
const ENCODED_SEMICOLON = 5;
const ENCODED_BACKSLASH = 6;
/** By those numbers. */
const REASONS = [
  "",
  "encoded-control",
  "encoded-unreserved",
  "encoded-slash",
  "encoded-percent",
  "encoded-semicolon",
  "encoded-backslash",
] as const;

/** The rules of a listener, compiled. */
export interface PathRules {
  /** By the byte that is encoded: 0, or why not. */
  readonly encoded: Uint8Array;
  readonly semicolon: boolean;
  readonly doubleSlash: boolean;
}

/** Compiles the rules without those that are named. */
export function pathRules(relaxations: readonly PathRelaxation[]): PathRules {
  const relaxed = new Set(relaxations);
  const encoded = new Uint8Array(256).fill(CONTROL, 0, 0x20);
  encoded[0x7f] = CONTROL;
  encoded[BACKSLASH] = ENCODED_BACKSLASH;
  if (!relaxed.has("encoded-unreserved")) {
    for (let index = 0; index < UNRESERVED.length; index += 1) {
      encoded[UNRESERVED.charCodeAt(index)] = ENCODED_UNRESERVED;
    }
  }
  if (!relaxed.has("encoded-slash")) encoded[SLASH] = ENCODED_SLASH;
  if (!relaxed.has("encoded-percent")) encoded[PERCENT] = ENCODED_PERCENT;
  if (!relaxed.has("semicolon")) encoded[SEMICOLON] = ENCODED_SEMICOLON;
  return { encoded, semicolon: relaxed.has("semicolon"), doubleSlash: relaxed.has("double-slash") };
}

/** Every rule. */
export const STRICT_PATH = pathRules([]);

/**
 * Checks a request target and gives the path that policies match.
 * @param target origin-form with its query, or `*` with OPTIONS
 * @returns the decoded path without its query, or `*`
 * @throws RefusedError 400
 */
export function parseTarget(method: string, target: string, rules: PathRules): string {
  if (target.charCodeAt(0) === SLASH) return parsePath(target, rules);
  if (target === "*") {
    if (method === "OPTIONS") return target;
    throw refused("asterisk-target");
  }
  throw refused(target.includes("://") ? "absolute-form" : "bad-target");
}

/**
 * Checks an absolute path with an optional query, and decodes the path.
 * @returns the decoded path without its query
 * @throws RefusedError 400
 */
export function parsePath(target: string, rules: PathRules): string {
  if (target.charCodeAt(0) !== SLASH) throw refused("bad-target");
  const length = target.length;
  let encoded = false;
  let end = 0;
  for (; end < length; end += 1) {
    const code = target.charCodeAt(end);
    if (code === QUESTION) break;
    if (LITERAL[code] !== 1) throw refused("path-character");
    if (code === PERCENT) encoded = true;
    else if (code === SEMICOLON && !rules.semicolon) throw refused("semicolon");
  }
  checkQuery(target, end);
  const raw = end === length ? target : target.slice(0, end);
  const path = encoded ? decode(raw, rules) : raw;
  checkSegments(path, rules);
  return path;
}

function checkQuery(target: string, start: number): void {
  for (let index = start; index < target.length; index += 1) {
    const code = target.charCodeAt(index);
    if (QUERY[code] !== 1) throw refused("query-character");
    if (code === PERCENT && byteAt(target, index + 1) < 0) throw refused("percent-encoding");
  }
}

/** Decodes once. Only where a `%` is in the path. */
function decode(path: string, rules: PathRules): string {
  const bytes = new Uint8Array(path.length);
  let used = 0;
  let ascii = true;
  for (let index = 0; index < path.length; index += 1) {
    const code = path.charCodeAt(index);
    if (code !== PERCENT) {
      bytes[used++] = code;
      continue;
    }
    const byte = byteAt(path, index + 1);
    if (byte < 0) throw refused("percent-encoding");
    const why = rules.encoded[byte] ?? CONTROL;
    if (why !== ALLOWED) throw refused(REASONS[why] ?? "percent-encoding");
    if (byte > 0x7f) ascii = false;
    bytes[used++] = byte;
    index += 2;
  }
  return ascii ? Buffer.from(bytes.buffer, 0, used).toString("latin1") : decodeUtf8(bytes.subarray(0, used));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw refused("path-not-utf8");
  }
}

/**
 * No empty segment and no dot segment, in the decoded path: also not one with a parameter (`/..;x`), nor at the start, where `//` begins
 * an authority, whatever is relaxed.
 */
function checkSegments(path: string, rules: PathRules): void {
  const double = path.indexOf("//");
  if (double === 0 || (double !== -1 && !rules.doubleSlash)) throw refused("double-slash");
  for (let at = path.indexOf("/."); at !== -1; at = path.indexOf("/.", at + 2)) {
    const behind = path[at + 2] === "." ? at + 3 : at + 2;
    const next = path[behind];
    if (next === undefined || next === "/" || next === ";") throw refused("dot-segment");
  }
}

/** The byte of two hexadecimal digits; -1: they are none. */
function byteAt(text: string, index: number): number {
  const high = digit(text.charCodeAt(index));
  const low = digit(text.charCodeAt(index + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/** The value of a hexadecimal digit; -1: it is none. */
function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function refused(reason: string): RefusedError {
  return new RefusedError(badRequest(reason));
}

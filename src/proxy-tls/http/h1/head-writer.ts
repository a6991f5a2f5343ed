// The writer of heads: one latin1 string for each. Fields come from the one validator (SafeFields); host and framing are written from the
// parsed state and from nothing else, so that a received framing field can never reach the other side.
import { STATUS_CODES } from "node:http";
import type { BodyFraming, RequestHead } from "../exchange.ts";
import { consistsOf, METHOD_CHARACTERS } from "../fields/characters.ts";
import type { SafeFields } from "../fields/safe-fields.ts";
import { VISIBLE } from "./octets.ts";

const STATUS_LINES: (string | undefined)[] = new Array(600);

/**
 * A request's head, up to and with the empty line: request line, host, its fields, framing. Nothing is written for a request without a body.
 * @throws {TypeError} method, target or authority hold what would end their place in the head
 */
export function writeRequestHead({ method, target, authority, fields, body }: RequestHead): string {
  if (method === "" || target === "" || authority === "" || !mayBeWritten(method, target, authority)) {
    throw new TypeError("A request line or host cannot be written: its parts must be parsed ones.");
  }
  return `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n${fieldLines(fields)}${framingLine(body)}\r\n`;
}

/**
 * A final response's head, up to and with the empty line.
 * @param connection what is said of the connection; `keep-alive` goes without saying in HTTP/1.1
 * @param version of the request: to 1.0 nothing can be chunked, so that an open body ends with the connection
 * @param answersHead the request was HEAD: framing is what GET would have had, and no body follows
 * @throws {TypeError} the framing cannot be written for that status or version
 */
export function writeResponseHead(
  status: number,
  fields: SafeFields,
  framing: BodyFraming,
  connection: "keep-alive" | "close",
  version: "1.0" | "1.1",
  answersHead = false,
): string {
  const framed = responseFraming(status, framing, version, answersHead);
  if (framed === "" && framing.kind === "open" && connection !== "close") {
    throw new TypeError("A body without length or chunks ends with the connection: say close.");
  }
  const said = connection === "close" ? "connection: close\r\n" : version === "1.0" ? "connection: keep-alive\r\n" : "";
  return `${statusLine(status)}${fieldLines(fields)}${framed}${said}\r\n`;
}

/** An interim response (100, 103). */
export function writeInterimHead(status: 100 | 103, fields: SafeFields): string {
  return `${statusLine(status)}${fieldLines(fields)}\r\n`;
}

function responseFraming(status: number, framing: BodyFraming, version: "1.0" | "1.1", answersHead: boolean): string {
  if (status < 200 || status === 204) {
    if (framing.kind === "none") return "";
    throw new TypeError(`A response with status ${status} has no framing.`);
  }
  // Without a word the other side would read until the connection ends.
  if (framing.kind === "none") return answersHead || status === 304 ? "" : "content-length: 0\r\n";
  return framing.kind === "open" && version === "1.0" ? "" : framingLine(framing);
}

function framingLine(framing: BodyFraming): string {
  switch (framing.kind) {
    case "none":
      return "";
    case "length":
      return `content-length: ${framing.bytes}\r\n`;
    case "open":
      return "transfer-encoding: chunked\r\n";
  }
}

function fieldLines(fields: SafeFields): string {
  let lines = "";
  for (let i = 0; i < fields.length; i += 2) lines += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return lines;
}

function statusLine(status: number): string {
  let line = STATUS_LINES[status];
  if (line === undefined) {
    if (!Number.isInteger(status) || status < 100 || status > 599) throw new TypeError(`${status} is no status.`);
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
    STATUS_LINES[status] = line;
  }
  return line;
}

function mayBeWritten(method: string, target: string, authority: string): boolean {
  return consistsOf(method, METHOD_CHARACTERS) && consistsOf(target, VISIBLE) && consistsOf(authority, VISIBLE);
}

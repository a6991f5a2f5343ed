// What our HTTP/1.1 parsers make of whole streams, however they are split: messages with their bodies joined, and the refusal.
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { FieldList } from "../../../src/proxy-tls/http/exchange.ts";
import { RequestParser, type RequestSink } from "../../../src/proxy-tls/http/h1/request-parser.ts";
import { ResponseParser, type ResponseSink } from "../../../src/proxy-tls/http/h1/response-parser.ts";
import type { RawRequestHead, RawResponseHead } from "../../../src/proxy-tls/http/raw-head.ts";
import type { HttpRefusal } from "../../../src/proxy-tls/http/refusal.ts";

export interface Parsed<Head> {
  readonly messages: { readonly head: Head; body: string; trailers: FieldList | undefined }[];
  /** Interim responses since the beginning. */
  readonly interim: Head[];
  refusal: HttpRefusal | undefined;
  /** Octets that were taken; -1: refused. */
  taken: number;
}

/** `text` in latin1, cut into pieces of `sizes` octets, the last size again and again. */
export function split(text: string, sizes: readonly number[]): Buffer[] {
  const octets = Buffer.from(text, "latin1");
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < octets.length; turn++) {
    const size = Math.max(1, sizes[Math.min(turn, sizes.length - 1)] ?? octets.length);
    // A copy each: a parser that keeps a view of what it was lent would be found out.
    pieces.push(Buffer.from(octets.subarray(at, at + size)));
    at += size;
  }
  return pieces;
}

function sinkOf<Head>(parsed: Parsed<Head>) {
  return {
    head: (head: Head) => {
      parsed.messages.push({ head, body: "", trailers: undefined });
    },
    data: (chunk: Uint8Array) => {
      const message = parsed.messages.at(-1);
      if (message === undefined || message.trailers !== undefined) throw new Error("Data of no message.");
      if (chunk.length === 0) throw new Error("Data without an octet.");
      message.body += Buffer.from(chunk).toString("latin1");
    },
    end: (trailers: FieldList) => {
      const message = parsed.messages.at(-1);
      if (message === undefined || message.trailers !== undefined) throw new Error("The end of no message.");
      message.trailers = trailers;
    },
    refused: (refusal: HttpRefusal) => {
      if (parsed.refusal !== undefined) throw new Error("Refused twice.");
      parsed.refusal = refusal;
    },
  };
}

/** Feeds the pieces as an engine does: what a message left is given again. */
function feed(pieces: readonly Buffer[], execute: (piece: Buffer, offset: number) => number): number {
  let taken = 0;
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length) {
      const next = execute(piece, at);
      if (next < at) return -1;
      if (next === at) return taken + at;
      at = next;
    }
    taken += piece.length;
  }
  return taken;
}

export function parseRequests(
  text: string,
  { sizes = [], allowHttp10 = false }: { sizes?: readonly number[]; allowHttp10?: boolean } = {},
): Parsed<RawRequestHead> {
  return parsePieces(split(text, sizes), allowHttp10);
}

/** The same of a stream that is in pieces. */
export function parsePieces(pieces: readonly Buffer[], allowHttp10 = false): Parsed<RawRequestHead> {
  const parsed: Parsed<RawRequestHead> = { messages: [], interim: [], refusal: undefined, taken: 0 };
  const sink: RequestSink = sinkOf(parsed);
  const parser = new RequestParser({ allowHttp10 }, sink);
  parsed.taken = feed(pieces, (piece, offset) => {
    const next = parser.execute(piece, offset);
    return parsed.refusal === undefined ? next : -1;
  });
  return parsed;
}

/** Responses to requests with `methods`, one after the other; `end`: the connection ends behind `text`. */
export function parseResponses(
  text: string,
  {
    methods = ["GET"],
    sizes = [],
    untilClose = "refuse",
    end = false,
  }: {
    methods?: readonly string[];
    sizes?: readonly number[];
    untilClose?: "allow" | "refuse";
    end?: boolean;
  } = {},
): Parsed<RawResponseHead> {
  const parsed: Parsed<RawResponseHead> = { messages: [], interim: [], refusal: undefined, taken: 0 };
  const waiting = [...methods];
  const next = (): void => {
    const method = waiting.shift();
    if (method !== undefined) parser.expect(method);
  };
  const events = sinkOf(parsed);
  const sink: ResponseSink = {
    ...events,
    interim: (raw) => parsed.interim.push(raw),
    end: (trailers) => {
      events.end(trailers);
      next();
    },
  };
  const parser = new ResponseParser(sink, { untilClose });
  next();
  parsed.taken = feed(split(text, sizes), (piece, offset) => {
    const at = parser.execute(piece, offset);
    return parsed.refusal === undefined ? at : -1;
  });
  if (end && parsed.refusal === undefined) parser.eof();
  return parsed;
}

const SPLITS: readonly (readonly number[])[] = [[], [1], [2], [7], [1, 100_000]];

/** The stream's last message is refused, at every split alike. */
export function assertRequestRefused(
  stream: string,
  status: number,
  reason: string,
  options: { allowHttp10?: boolean; messages?: number } = {},
): void {
  for (const sizes of SPLITS) {
    const parsed = parseRequests(stream, { sizes, ...options });
    deepStrictEqual({ status: parsed.refusal?.status, reason: parsed.refusal?.reason }, { status, reason });
    const complete = parsed.messages.filter((message) => message.trailers !== undefined).length;
    strictEqual(complete, options.messages ?? 0);
  }
}

/** The stream's last response is refused (502), at every split alike. */
export function assertResponseRefused(
  stream: string,
  reason: string,
  options: Parameters<typeof parseResponses>[1] & { messages?: number } = {},
): void {
  for (const sizes of SPLITS) {
    const parsed = parseResponses(stream, { ...options, sizes });
    deepStrictEqual({ status: parsed.refusal?.status, reason: parsed.refusal?.reason }, { status: 502, reason });
    const complete = parsed.messages.filter((message) => message.trailers !== undefined).length;
    strictEqual(complete, options.messages ?? 0);
  }
}

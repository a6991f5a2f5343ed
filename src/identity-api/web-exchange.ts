// One exchange with a web server that is not ours: bounded in bytes and time, no redirect followed, nothing compressed, no connection
// kept. What the other side does wrong is an answer of its own kind, never an error: callers have their own words for it.
import { type ClientRequest, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { type WebClientParameters, webClientTlsOptions } from "../tls/index.ts";

export interface WebRequest {
  /** Whom https trusts. */
  readonly tls?: WebClientParameters;
  readonly accept: string;
  /** Sent by POST; undefined: GET. */
  readonly body?: { readonly bytes: Uint8Array; readonly contentType: string };
  /** `validator` of the document in hand: the server may answer that it has not changed (RFC 9110 section 13). */
  readonly validator?: string;
  readonly maxBytes: number;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** Without any traffic; undefined: as `timeoutMs`. */
  readonly idleTimeoutMs?: number;
  readonly lookup?: LookupFunction;
  /** Ends the exchange early. */
  readonly signal?: AbortSignal;
}

/** What came of it. `why` continues a sentence that begins with the address. */
export type WebAnswer =
  | { readonly kind: "answer"; readonly bytes: Uint8Array; readonly validator: string | undefined }
  | { readonly kind: "unchanged" }
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "failed"; readonly why: string; readonly cause?: unknown };

const failed = (why: string, cause?: unknown): WebAnswer => ({ kind: "failed", why, cause });

/** Asks `url` (http or https), which the caller has checked. Never rejects. */
export async function exchange(url: URL, request: WebRequest): Promise<WebAnswer> {
  const timeout = AbortSignal.timeout(request.timeoutMs);
  const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
  try {
    return await send(url, request, signal);
  } catch (cause) {
    if (timeout.aborted) return failed(`did not answer within ${request.timeoutMs} ms`, cause);
    if (request.signal?.aborted === true) return failed("was not waited for", cause);
    return failed(`cannot be reached (${codeOf(cause)})`, cause);
  }
}

function send(url: URL, request: WebRequest, signal: AbortSignal): Promise<WebAnswer> {
  return new Promise((resolve, reject) => {
    const { body, lookup, idleTimeoutMs } = request;
    const common = {
      method: body === undefined ? "GET" : "POST",
      headers: headersOf(request),
      signal,
      ...(lookup === undefined ? {} : { lookup }),
    };
    let sent: ClientRequest;
    const answered = (response: IncomingMessage): void => {
      read(response, request)
        .then(resolve, (error: unknown) => reject(signal.aborted ? signal.reason : error))
        // Whatever of the body was not read is not wanted.
        .finally(() => sent.destroy());
    };
    if (url.protocol === "https:") {
      const agent = new Agent({ ...webClientTlsOptions(request.tls), keepAlive: false });
      sent = httpsRequest(url, { ...common, agent }, answered);
    } else {
      sent = httpRequest(url, { ...common, agent: false }, answered);
    }
    if (idleTimeoutMs !== undefined) {
      sent.setTimeout(idleTimeoutMs, () => {
        sent.destroy(Object.assign(new Error("nothing came for too long"), { code: "silence" }));
      });
    }
    // An abort during the body destroys the response with an AbortError; the signal knows the reason.
    sent.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    sent.end(body?.bytes);
  });
}

function headersOf({ accept, body, validator }: WebRequest): OutgoingHttpHeaders {
  return {
    accept,
    "accept-encoding": "identity",
    ...(body === undefined ? {} : { "content-type": body.contentType, "content-length": body.bytes.length }),
    ...(validator === undefined
      ? {}
      : validator.startsWith("date:")
        ? { "if-modified-since": validator.slice(5) }
        : { "if-none-match": validator.slice(5) }),
  };
}

async function read(response: IncomingMessage, { maxBytes, validator }: WebRequest): Promise<WebAnswer> {
  const { statusCode = 0, headers } = response;
  if (statusCode === 304 && validator !== undefined) return { kind: "unchanged" };
  if (statusCode >= 300 && statusCode < 400 && statusCode !== 304) {
    return { kind: "redirect", location: headers.location ?? "" };
  }
  if (statusCode !== 200) return failed(`answers with status ${statusCode}`);
  if ((headers["content-encoding"] ?? "identity") !== "identity") {
    return failed("answers compressed although that was not asked for");
  }
  const tooLarge = failed(`answers with more than ${maxBytes} bytes`);
  const declared = Number(headers["content-length"] ?? 0);
  if (declared > maxBytes) return tooLarge;
  // Memory that grows in place: to join chunks at the end, or to double, would hold everything up for a moment.
  const memory = new ArrayBuffer(0, { maxByteLength: maxBytes });
  const bytes = new Uint8Array(memory);
  let length = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a response body without an encoding gives bytes");
    const end = length + chunk.length;
    if (end > maxBytes) return tooLarge;
    if (end > memory.byteLength) memory.resize(Math.min(maxBytes, end + GROWTH_BYTES));
    bytes.set(chunk, length);
    length = end;
  }
  if (!response.complete) return failed("broke off in the middle of its answer");
  // Not all of Node takes memory that could still grow; a copy of something small costs nothing.
  const whole = bytes.subarray(0, length);
  return {
    kind: "answer",
    bytes: length <= GROWTH_BYTES ? whole.slice() : whole,
    validator: validatorOf(response),
  };
}
const GROWTH_BYTES = 1024 * 1024;

/** An entity tag, or else a date; only what can be sent back as it is. */
function validatorOf({ headers }: IncomingMessage): string | undefined {
  const { etag, "last-modified": date } = headers;
  if (etag !== undefined && SENDABLE.test(etag)) return `etag:${etag}`;
  return date !== undefined && SENDABLE.test(date) ? `date:${date}` : undefined;
}
const SENDABLE = /^[\x20-\x7e]{1,200}$/;

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.name : "unknown";
}

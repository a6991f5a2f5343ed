// The small interface in which the HTTP engines meet: one request and its response, whatever versions the two sides speak. An engine
// can be replaced alone. Server engines (h1/, h2/) make a ServerExchange for each request and hand it to a RequestHandler; client
// engines carry a request to a target and report to ClientEvents. No engine decides anything about identity or policy.
//
// An exchange ends when both directions have ended, or when it is aborted. After the end no method has an effect and no event comes.
import type { FieldList } from "../../http2/index.ts";
import type { SafeFields } from "./fields/safe-fields.ts";
import type { HttpRefusal } from "./refusal.ts";

/**
 * Header fields in order: name, value, name, value ... Names are lower-case tokens, values latin1 without surrounding white space.
 * Nothing is joined: two lines of one name are two pairs. Immutable once made: what was decided on is what is written. What came marked as never
 * to be indexed, over HTTP/2, is marked in every list that is made from it.
 */
export type { FieldList };

export const NO_FIELDS: FieldList = Object.freeze([]);

/** How a body ends. Written from this, never copied from a received field. */
export type BodyFraming =
  | { readonly kind: "none" }
  /** Exactly this many bytes; 0 is written as `content-length: 0`. */
  | { readonly kind: "length"; readonly bytes: number }
  /** Until its own end: chunked in HTTP/1.1, END_STREAM in HTTP/2. */
  | { readonly kind: "open" };

export const NO_BODY: BodyFraming = { kind: "none" };
export const OPEN_BODY: BodyFraming = { kind: "open" };

/** A request that was parsed, stripped and normalised: it may be written, with host, framing and connection fields by the engine. */
export interface RequestHead {
  readonly version: "1.0" | "1.1" | "2";
  /** Case-sensitive. */
  readonly method: string;
  /** Origin-form (or `*`), exactly as it came, with its query: what is forwarded. */
  readonly target: string;
  /** The decoded path that policies match; `*` for OPTIONS *. */
  readonly path: string;
  /** The one normalised host[:port] that is authorized and sent. */
  readonly authority: string;
  /** End-to-end fields only: no host, framing, hop-by-hop, Connection-nominated or protected ones. Each went through the one validator. */
  readonly fields: SafeFields;
  readonly body: BodyFraming;
  /** The client waits for 100 before it sends the body. */
  readonly expectsContinue: boolean;
  /** The client said `TE: trailers`. */
  readonly acceptsTrailers: boolean;
  /** HTTP/1: the sender said `Connection: close`, or speaks HTTP/1.0: the connection ends after this exchange. */
  readonly close: boolean;
}

/** A final response, stripped like a request: it may be written as it is. */
export interface ResponseHead {
  /** 200 to 599. */
  readonly status: number;
  /** Complete but for framing and connection fields, which the engine writes. */
  readonly fields: SafeFields;
  readonly body: BodyFraming;
  /** HTTP/1: the target said `Connection: close`, speaks HTTP/1.0, or ends the body by closing: never pooled. */
  readonly close: boolean;
}

/** Why an exchange ended before its time. */
export type AbortCause =
  /** The other side closed, reset or vanished. */
  | { readonly kind: "peer-gone" }
  /** The other side broke the protocol. */
  | { readonly kind: "malformed"; readonly refusal: HttpRefusal }
  | { readonly kind: "timeout"; readonly deadline: Deadline }
  /** The connection is being closed by us: drained, no longer allowed, no longer trusted, shut down. */
  | { readonly kind: "closed"; readonly reason: string };

export type Deadline =
  | "handshake"
  | "preface"
  | "head"
  | "body-idle"
  | "write-stall"
  | "early-response"
  | "total"
  | "connect"
  | "response"
  | "keep-alive";

/** The server engine's half of one exchange. */
export interface ServerExchange {
  readonly request: RequestHead;
  /** Stops and restarts the events `data` and `end`. A paused exchange still reports `aborted`. */
  pauseBody(): void;
  resumeBody(): void;
  /** Sends 100 (only to a request that waits for it) or 103. */
  interim(status: 100 | 103, fields: SafeFields): void;
  /**
   * Sends the head of the final response; at most once. Before the whole request was read, the engine closes the connection after this
   * exchange (early response).
   */
  respond(head: ResponseHead): void;
  /** Sends bytes of the body. @returns false: wait for the event `writable` */
  write(chunk: Uint8Array): boolean;
  /** Ends the response; trailers only where the client and the version allow them. */
  end(trailers: SafeFields): void;
  /** Ends the exchange so that the client can never take what it has for a complete response (destroy; RST_STREAM). */
  abort(): void;
  /**
   * Answers with our own response and closes the connection (HTTP/2: the stream); where a byte of a response was already sent: abort.
   * `fields` are added to the response.
   */
  refuse(refusal: HttpRefusal, fields: SafeFields): void;
}

/** What the server engine tells about the request. */
export interface ServerEvents {
  /** The bytes are never changed afterwards: they may be written on without a copy. */
  data(chunk: Uint8Array): void;
  end(trailers: SafeFields): void;
  /** Nothing more comes, and nothing that is written arrives. */
  aborted(cause: AbortCause): void;
  /** The response may be written again. */
  writable(): void;
}

/** Takes each request of a connection, at the moment its head is complete. `data` is not called before this returns. */
export type RequestHandler = (exchange: ServerExchange) => ServerEvents;

/** A connection with a server engine on it. */
export interface HttpServerConnection {
  /** Exchanges in progress. */
  readonly active: number;
  /** No new exchanges: GOAWAY, `Connection: close`; closes when those in progress have ended. May be called twice. */
  drain(): void;
  /** The policies have changed: exchanges in progress that they no longer allow are ended. */
  reconsider(): void;
  /** Ends everything now. */
  destroy(reason: string): void;
}

/** The client engine's half of one exchange. */
export interface ClientExchange {
  /** Sends bytes of the request's body. @returns false: wait for the event `writable` */
  write(chunk: Uint8Array): boolean;
  end(trailers: SafeFields): void;
  /** Ends the exchange so that the target can never take what it has for a complete request. No event follows. */
  abort(): void;
  pauseBody(): void;
  resumeBody(): void;
}

/** What the client engine tells about the response. */
export interface ClientEvents {
  interim(status: 100 | 103, fields: SafeFields): void;
  head(head: ResponseHead): void;
  /** The bytes are never changed afterwards. */
  data(chunk: Uint8Array): void;
  /** The response was complete. */
  end(trailers: SafeFields): void;
  writable(): void;
  /** The response will never be complete. */
  failed(failure: UpstreamFailure): void;
}

export interface UpstreamFailure {
  readonly cause: AbortCause;
  /** Whether any byte of a response came, interim ones included. */
  readonly received: boolean;
  /** The target said that it did not process the request (REFUSED_STREAM, GOAWAY below it). */
  readonly unprocessed: boolean;
}

/** A verified connection to a target, with a client engine on it. */
export interface HttpClientConnection {
  readonly protocol: "http/1.1" | "h2";
  /** How many more exchanges can begin now; 0 when draining or closed. */
  readonly capacity: number;
  /** Exchanges in progress. */
  readonly active: number;
  /** Begins an exchange. */
  request(head: RequestHead, events: ClientEvents): ClientExchange;
  drain(): void;
  destroy(reason: string): void;
}

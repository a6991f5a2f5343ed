// What the data plane tells about each exchange and each connection, once, at its end. The access log and the metrics are made of it.
import type { AbortCause } from "../http/exchange.ts";
import type { HttpRefusal } from "../http/refusal.ts";
import type { Decision } from "../policy/decision.ts";

/** One HTTP request and its response. */
export interface ExchangeRecord {
  readonly listener: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly protocol: "1.0" | "1.1" | "2";
  /** Undefined: the request's head was refused before it could be read. */
  readonly method: string | undefined;
  readonly authority: string | undefined;
  /** As it came, with its query. */
  readonly target: string | undefined;
  /** What the client saw; undefined: nothing was answered. */
  readonly status: number | undefined;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly peer: string | undefined;
  readonly remoteAddress: string | undefined;
  /** Undefined: it never came to a decision, or the listener is outbound. */
  readonly decision: Decision | undefined;
  readonly requestId: string | undefined;
  readonly traceId: string | undefined;
  /** host:port or path of the target that was asked last. */
  readonly upstream: string | undefined;
  readonly upstreamPeer: string | undefined;
  readonly attempts: number;
  /** Our own answer, or why there was none. */
  readonly refusal: HttpRefusal | undefined;
  /** Who ended it before its time. */
  readonly aborted: { readonly by: "downstream" | "upstream" | "proxy"; readonly cause: AbortCause } | undefined;
}

/** One tcp connection, or a connection that never came to a request. */
export interface ConnectionRecord {
  readonly listener: string;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly peer: string | undefined;
  readonly remoteAddress: string | undefined;
  readonly decision: Decision | undefined;
  readonly upstream: string | undefined;
  readonly upstreamPeer: string | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Why it ended, in kebab-case: "closed", "denied", "peer-expired", "no-longer-allowed", "upstream-unavailable", "idle" ... */
  readonly end: string;
}

/** What the data plane calls. Never throws, never waits. */
export interface Observer {
  exchange(record: ExchangeRecord): void;
  connection(record: ConnectionRecord): void;
  /** Something that is counted and not logged each time: "idle-upstream-bytes", "dropped-trailer", "xfcc-pair-left-out" ... */
  count(event: string, listener: string): void;
}

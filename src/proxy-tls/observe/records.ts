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
  /**
   * What the proxy itself added, in milliseconds: from the request's head to its being written to the target, and from the response's
   * head to its being written to the client. Undefined: no response came, or it was not measured.
   */
  readonly addedMs: number | undefined;
  /** Our own answer, or why there was none. */
  readonly refusal: HttpRefusal | undefined;
  /** Who ended it before its time. */
  readonly aborted: { readonly by: "downstream" | "upstream" | "proxy"; readonly cause: AbortCause } | undefined;
}

/** One connection of a tcp listener. What happens on http listeners is told by exchange. */
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
  readonly end: ConnectionEnd;
}

/** Why a connection ended. A closed set: the value of a label. */
export type ConnectionEnd =
  /** Both directions had ended. */
  | "closed"
  /** One side vanished without ending its direction; the other one was reset. */
  | "downstream-reset"
  | "upstream-reset"
  /** A policy denied it, or none allowed it. */
  | "denied"
  /** It was open when a policy came that does not allow it. */
  | "no-longer-allowed"
  /** It was open when a bundle or a revocation came by which the peer is nobody. */
  | "no-longer-trusted"
  /** The peer's certificate has expired. */
  | "peer-expired"
  /** No target took it, none was who it should be, or it refused us. */
  | "upstream-unavailable"
  /** A limit of ours. */
  | "overloaded"
  /** Not one byte for too long. */
  | "idle"
  /** We were stopping, and it took longer than the grace. */
  | "drained"
  /** A fault of ours; the log has it. */
  | "fault";

/** What is counted and not logged each time. A closed set: the value of a label. */
export type ObservedEvent =
  /** A connection to a target was made, or could not be made. */
  | "upstream-connected"
  | "upstream-connect-failed"
  /** A request was sent again, or would have been if the budget had allowed it. */
  | "retry"
  | "retry-budget-spent"
  /** Bytes on an idle connection to a target, or beyond its response: it was destroyed. */
  | "idle-upstream-bytes"
  | "dropped-trailer"
  | "xfcc-pair-left-out"
  | "request-id-replaced"
  /** A pooled or open connection was closed by us: policy, trust, revocation or expiry. */
  | "connection-reevaluated"
  /** A limit of ours turned somebody away. */
  | "connection-limit"
  | "upstream-limit"
  | "pending-limit"
  /** An HTTP/2 session spent its budget of frames without progress. */
  | "h2-flood";

/** What is open on a listener now, and what it has taken since the process started: DataPlane.counts(). */
export interface ListenerCounts {
  readonly listener: string;
  /** Open downstream connections, handshakes in progress not among them. */
  readonly connections: number;
  readonly handshakes: number;
  /** Exchanges (http) in progress. */
  readonly exchanges: number;
  readonly upstreamConnections: number;
  /** Since the start. */
  readonly accepted: number;
  /** Handshakes refused since the start, by MCA_ code (`internal`: a fault of ours). */
  readonly refused: ReadonlyMap<string, number>;
}

/** What the data plane calls. Never throws, never waits. */
export interface Observer {
  exchange(record: ExchangeRecord): void;
  connection(record: ConnectionRecord): void;
  /** `event` at `listener`, once. */
  count(event: ObservedEvent, listener: string): void;
}

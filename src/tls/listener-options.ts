// What a TLS listener is told and what it gives: the types of listener.ts, with the meaning, unit and default of each option.
import type { TLSSocket } from "node:tls";
import type { Clock, Logger } from "../runtime/index.ts";
import type { Certificate } from "../x509/index.ts";
import type { TlsConnection } from "./connections.ts";
import type { IdentitySource } from "./identity.ts";
import type { MinVersion } from "./options.ts";

/** What is known of a peer beside its certificates. */
export interface PeerInfo {
  /** IPv4 or IPv6 address. */
  readonly remoteAddress: string;
}

export interface TlsListenerOptions<V> {
  /** What the listener shows. While there is none, or it has expired, new connections are closed at once. */
  readonly identity: IdentitySource;
  /** Application protocols in order of preference; empty: none. */
  readonly alpn: readonly string[];
  /**
   * Who comes. `mesh` (default): peers are asked for their certificate, and `judge` sees what they presented. `web`: foreign web
   * clients, by webServerTlsOptions; none is asked, and `judge` sees an empty chain.
   */
  readonly peers?: "mesh" | "web" | undefined;
  /** Of `mesh`: default TLSv1.3. TLSv1.2 only where foreign clients need it. */
  readonly minVersion?: MinVersion | undefined;
  /** A peer that names no protocol: treat it as h2 (gRPC of linkerd2-proxy), accept it as it is, or refuse it. */
  readonly missingAlpn: "h2" | "accept" | "refuse";
  /** The verdict about the peer, from what it presented (perhaps nothing). Throwing closes the connection. */
  judge(chain: readonly Certificate[], info: PeerInfo): V | Promise<V>;
  /** A peer may end its direction and still receive: whoever takes the connections has to end them. Default false. */
  readonly allowHalfOpen?: boolean | undefined;
  /** Takes a judged connection. The listener keeps its error handler and closes it at the end. */
  onConnection(socket: TLSSocket, verdict: V): void;
  /** When to close the connection, Unix milliseconds: usually the leaf's notAfter. Looked at once a second. */
  expiresAt?(verdict: V): number | undefined;
  /** From accept to verdict; default 10,000, more than 0. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Open connections and handshakes together. */
  readonly maxConnections: number;
  /** Handshakes in progress. */
  readonly maxHandshakes: number;
  /** The same for one sender (IPv4 address, IPv6 /64). Default: a quarter of maxHandshakes, and maxConnections. */
  readonly perAddress?: { readonly maxHandshakes?: number; readonly maxConnections?: number } | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
  readonly reusePort?: boolean | undefined;
}

/** Counts for metrics. */
export interface TlsListenerCounts {
  /** In progress. */
  readonly handshakes: number;
  /** Open and judged. */
  readonly connections: number;
  /** Accepted since the start. */
  readonly accepted: number;
  /** Refused since the start, by code; `internal`: a fault of ours. */
  readonly refused: ReadonlyMap<string, number>;
}

export interface TlsListener<V> {
  /**
   * Opens the port.
   * @param address.reusePort several processes may listen on it; the system spreads the connections. Default false
   * @returns the address and port that are bound (port 0: chosen by the system)
   * @throws TlsError MCA_TLS_IDENTITY_MISSING, MCA_TLS_IDENTITY_INVALID, MCA_TLS_LISTEN_FAILED
   */
  listen(address: ListenAddress): Promise<{ host: string; port: number }>;
  /** Stops accepting at once, gives open connections `graceMs` to end, then destroys them. Resolves when all are closed. */
  close(graceMs: number): Promise<void>;
  /** The open connections, for judging them again when trust changes: destroy the socket of one that is no longer good. */
  connections(): Iterable<TlsConnection<V>>;
  counts(): TlsListenerCounts;
}

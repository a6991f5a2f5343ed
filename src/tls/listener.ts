import type { TLSSocket } from "node:tls";
import type { Clock } from "../runtime/index.ts";
import type { Certificate } from "../x509/index.ts";
import type { IdentitySource } from "./identity.ts";
import type { TlsOptionParameters } from "./options.ts";

/** The part of a pino logger that is used here. */
export interface TlsLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface PeerInfo {
  readonly remoteAddress: string;
}

export interface TlsListenerOptions<V> {
  readonly identity: IdentitySource;
  readonly alpn: readonly string[];
  readonly minVersion?: TlsOptionParameters["minVersion"];
  /** A peer that offers no ALPN: treat it as h2 (gRPC of linkerd2-proxy), or close. */
  readonly missingAlpn: "h2" | "refuse";
  /** The verdict about the peer on every connection. Throwing closes the connection. */
  judge(chain: readonly Certificate[], info: PeerInfo): V | Promise<V>;
  onConnection(socket: TLSSocket, verdict: V): void;
  /** When the connection is to be closed (Unix milliseconds): usually the leaf's notAfter. */
  expiresAt?(verdict: V): number | undefined;
  /** From accept to verdict; default 10,000. */
  readonly handshakeTimeoutMs?: number;
  readonly maxConnections: number;
  /** Handshakes in progress, overall. */
  readonly maxHandshakes: number;
  /** Bounds for one remote address; default: a quarter of maxHandshakes, all of maxConnections. */
  readonly perAddress?: { readonly maxHandshakes?: number; readonly maxConnections?: number };
  readonly clock: Clock;
  readonly logger: TlsLogger;
}

export interface TlsConnection<V> {
  readonly socket: TLSSocket;
  readonly verdict: V;
  readonly remoteAddress: string;
}

export interface TlsListener<V> {
  /** @throws TlsError MCA_TLS_IDENTITY_MISSING, MCA_TLS_LISTEN_FAILED */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ host: string; port: number }>;
  /** Stops accepting at once, gives open connections `graceMs` to end, then destroys them. */
  close(graceMs: number): Promise<void>;
  connections(): Iterable<TlsConnection<V>>;
}

export function createTlsListener<V>(_options: TlsListenerOptions<V>): TlsListener<V> {
  throw new TypeError("being written");
}

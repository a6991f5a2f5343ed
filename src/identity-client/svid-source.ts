// An identity that stays fresh: enrols, renews, follows trust, hands out TLS that follows both.

import type { RequestListener } from "node:http";
import type * as https from "node:https";
import type * as tls from "node:tls";
import type { TrustSet } from "../spiffe/index.ts";
import type { SvidSourceOptions } from "./options.ts";
import type { Peer, PeerRule } from "./peer.ts";
import type { Svid } from "./svid.ts";

export type SourceHealth =
  /** Everything is as it should be. */
  | { readonly kind: "fresh"; readonly notAfter: number; readonly renewAt: number }
  /** The certificate is valid, but renewing it fails for now. */
  | {
      readonly kind: "renewal-failing";
      readonly notAfter: number;
      readonly since: number;
      readonly attempts: number;
      readonly error: Error;
    }
  /** There is no valid certificate. */
  | { readonly kind: "expired"; readonly since: number; readonly attempts: number; readonly error: Error | undefined };

export interface MeshServer {
  /** Binds. `port` 0 chooses a free one. Default host: all interfaces. */
  listen(address: {
    readonly host?: string;
    readonly port: number;
  }): Promise<{ readonly host: string; readonly port: number }>;
  /** Stops accepting, waits up to `graceMs` (default 5,000) for connections to end, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** Who must be there. */
  readonly expect: PeerRule;
  /** ALPN protocols, in order of preference. Default: none. */
  readonly alpn?: readonly string[];
  /** Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ServerOptions {
  /** Who may connect. */
  readonly allow: PeerRule;
  /** ALPN protocols. Default: none; a client without ALPN is served. */
  readonly alpn?: readonly string[];
}

export declare class SvidSource {
  private constructor();
  static start(options: SvidSourceOptions): Promise<SvidSource>;
  current(): Svid;
  trust(): TrustSet;
  health(): SourceHealth;
  onChange(listener: () => void): () => void;
  createTlsServer(options: ServerOptions, onConnection: (socket: tls.TLSSocket, peer: Peer) => void): MeshServer;
  createHttpsServer(options: ServerOptions, onRequest: RequestListener): MeshServer;
  connect(options: ConnectOptions): Promise<tls.TLSSocket>;
  httpsAgent(options: { readonly expect: PeerRule }): https.Agent;
  renewNow(): Promise<Svid>;
  close(): Promise<void>;
}

// How a listener hands a connection to the HTTP engines.
import type { Socket } from "node:net";
import type { ListenerConfig } from "../config/listeners.ts";
import type { HttpServerConnection } from "../http/exchange.ts";
import type { ProxyPeer } from "../identity/peer.ts";

export interface HttpConnectionContext {
  readonly listener: ListenerConfig;
  /** Inbound: who calls. */
  readonly peer: ProxyPeer | undefined;
  /** Undefined: a Unix socket. */
  readonly remoteAddress: string | undefined;
  /** The port that the listener is bound to; undefined: a Unix socket. */
  readonly port: number | undefined;
}

export interface HttpServing {
  /** Serves a connection until it closes. The socket is half-open and has an error handler. */
  serve(socket: Socket, protocol: "http/1.1" | "h2", context: HttpConnectionContext): HttpServerConnection;
}

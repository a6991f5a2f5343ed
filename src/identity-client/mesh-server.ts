// A TLS server whose certificate follows the source and whose peers are verified by SPIFFE ID on every connection. Connections
// end when the peer's certificate expires, or when a change of trust no longer accepts it.
import * as http from "node:http";
import type { TLSSocket } from "node:tls";
import type { Logger } from "../runtime/index.ts";
import { createTlsListener, type IdentitySource, type TlsListener } from "../tls/index.ts";
import type { Certificate } from "../x509/index.ts";
import type { Peer, PeerJudge } from "./peer.ts";
import type { SchedulingClock } from "./scheduling-clock.ts";
import { reasonFields } from "./server-error.ts";

/** A server of the mesh. */
export interface MeshServer {
  /** Binds. `port` 0 chooses a free one. Default host: all interfaces. */
  listen(address: {
    readonly host?: string;
    readonly port: number;
  }): Promise<{ readonly host: string; readonly port: number }>;
  /** Stops accepting, waits up to `graceMs` (default 5,000) for connections to end, then cuts them. */
  close(graceMs?: number): Promise<void>;
}

export interface MeshServerDeps {
  readonly identity: IdentitySource;
  readonly judge: PeerJudge;
  readonly alpn: readonly string[];
  readonly maxConnections: number;
  readonly clock: SchedulingClock;
  readonly logger: Logger;
  onTrustChange(listener: () => void): () => void;
  onConnection(socket: TLSSocket, peer: Peer): void;
  /** Called when closing begins; what it returns is called when all connections are closed. */
  onClosing?(): () => void;
}

const GRACE_MS = 5_000;

/** What is kept of a connection, to judge it again. */
interface Judged {
  readonly peer: Peer;
  readonly chain: readonly Certificate[];
}

/** Makes a server; it does not listen yet. */
export function createMeshServer(deps: MeshServerDeps): MeshServer {
  const { judge, clock, logger } = deps;
  const listener: TlsListener<Judged> = createTlsListener<Judged>({
    identity: deps.identity,
    alpn: deps.alpn,
    missingAlpn: "accept",
    judge: (chain) => ({ peer: judge(chain), chain }),
    expiresAt: ({ peer }) => peer.notAfter,
    onConnection(socket, { peer }) {
      socket.on("error", (error) =>
        logger.debug({ event: "mesh.connection_error", ...reasonFields(error) }, "A connection broke."),
      );
      deps.onConnection(socket, peer);
    },
    maxConnections: deps.maxConnections,
    maxHandshakes: Math.min(deps.maxConnections, 1_000),
    clock,
    logger,
  });
  const stopWatching = deps.onTrustChange(() => {
    for (const { socket, verdict } of [...listener.connections()]) {
      try {
        judge(verdict.chain);
      } catch (error) {
        logger.info(
          { event: "mesh.connection_no_longer_trusted", ...reasonFields(error) },
          "A change of trust ended a connection.",
        );
        socket.destroy();
      }
    }
  });
  return {
    listen: ({ host, port }) => listener.listen({ host: host ?? "::", port }),
    async close(graceMs = GRACE_MS) {
      stopWatching();
      const closed = deps.onClosing?.();
      await listener.close(graceMs);
      closed?.();
    },
  };
}

/** Handles a request of a verified peer. */
export type MeshRequestHandler = (request: http.IncomingMessage, response: http.ServerResponse, peer: Peer) => void;

export interface HttpLimits {
  /** Until the head of a request is whole; milliseconds. */
  readonly headersTimeoutMs: number;
  /** Until a request is whole. */
  readonly requestTimeoutMs: number;
}

const HTTP_LIMITS: HttpLimits = { headersTimeoutMs: 10_000, requestTimeoutMs: 60_000 };
const KEEP_ALIVE_MS = 60_000;
const IDLE_CHECK_MS = 50;

/** HTTP/1.1 behind a mesh server: what to do with its connections, and how to end them politely. */
export function httpOverMesh(
  handler: MeshRequestHandler,
  limits: HttpLimits = HTTP_LIMITS,
): {
  onConnection(socket: TLSSocket, peer: Peer): void;
  onClosing(): () => void;
} {
  const peers = new WeakMap<object, Peer>();
  const server = http.createServer({
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(5_000, limits.headersTimeoutMs),
  });
  // This server is handed its connections and never listens. Node begins to enforce time limits and to know which connections are
  // idle only when it hears of listening.
  server.emit("listening");
  server.on("request", (request, response) => {
    const peer = peers.get(request.socket);
    if (peer === undefined) request.socket.destroy();
    else handler(request, response, peer);
  });
  return {
    onConnection(socket, peer) {
      peers.set(socket, peer);
      server.emit("connection", socket);
    },
    onClosing() {
      server.closeIdleConnections();
      // Connections that are busy now become idle one by one; whatever is left is cut at the end of the grace.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS).unref();
      return () => {
        clearInterval(idle);
        server.close(() => {});
      };
    },
  };
}

// An HTTP/1.1 server of node:http that never listens: our TLS listener hands it connections. Bounded in everything that a stranger
// chooses: size and number of headers, time for a request, requests on a connection, idle time. Its parser is the strict one.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** From the first byte (or the end of the handshake) to the end of the request. */
const REQUEST_MS = 10_000;
/** Between two requests. */
const KEEP_ALIVE_MS = 10_000;
/** A connection on which nothing moves, for example because its peer does not read. */
const IDLE_MS = 20_000;
/** Node looks for overdue requests this often; its own 30 s would let them live three times as long. */
const CHECK_MS = 1_000;
const MAX_HEADER_BYTES = 8_192;
const MAX_REQUESTS_PER_CONNECTION = 100;

/** What is answered to bytes that are no request. */
export interface ProtocolFault {
  readonly status: 400 | 408 | 431;
  /** As JSON. */
  readonly body: string;
}

export interface BoundedServerOptions {
  readonly handler: RequestListener;
  /** The answer to a connection's fault, by Node's error code (HPE_..., ERR_HTTP_REQUEST_TIMEOUT). */
  faultFor(code: string): ProtocolFault;
}

/** Makes the server. Feed it by `emit("connection", socket)`; close it by `close()`, its sockets are their owner's. */
export function boundedHttpServer({ handler, faultFor }: BoundedServerOptions): Server {
  const answering = new WeakMap<Duplex, number>();
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
      requireHostHeader: true,
      insecureHTTPParser: false,
    },
    (request: IncomingMessage, response: ServerResponse) => {
      const { socket } = request;
      answering.set(socket, (answering.get(socket) ?? 0) + 1);
      response.once("close", () => answering.set(socket, (answering.get(socket) ?? 1) - 1));
      handler(request, response);
    },
  );
  // Node drops headers above its limit in silence; the bytes bound them, and whoever reads them counts.
  server.maxHeadersCount = 0;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  server.timeout = IDLE_MS;
  // The look for overdue requests begins with this event, which a server that does not listen has to be told.
  server.emit("listening");
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // Amid answers to earlier requests of the connection, another text would be taken for one of them.
    if (!socket.writable || error.code === "ECONNRESET" || (answering.get(socket) ?? 0) > 0) {
      socket.destroy();
      return;
    }
    const { status, body } = faultFor(error.code ?? "");
    socket.end(
      `HTTP/1.1 ${status} ${REASONS[status]}\r\nconnection: close\r\ncache-control: no-store\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    // A peer that neither reads nor ends has the idle time.
  });
  return server;
}

const REASONS = { 400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large" } as const;

// The two HTTP/2 engines alone, over TCP on loopback: a server engine with a handler of the test's, and client engines.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { DeadlineWheel } from "../../../src/proxy-tls/http/deadlines.ts";
import type { HttpServerConnection, RequestHandler } from "../../../src/proxy-tls/http/exchange.ts";
import { H2ClientConnection, type H2ClientOptions } from "../../../src/proxy-tls/http/h2/client-connection.ts";
import { detectPreface } from "../../../src/proxy-tls/http/h2/preface.ts";
import { type H2ServerOptions, serveH2 } from "../../../src/proxy-tls/http/h2/server-connection.ts";
import type { HttpRefusal } from "../../../src/proxy-tls/http/refusal.ts";
import type { HttpTimeouts } from "../../../src/proxy-tls/http/timeouts.ts";
import { testRequestRules, testResponseRules } from "./rules.ts";

export const LONG_TIMEOUTS: HttpTimeouts = {
  headMs: 60_000,
  bodyIdleMs: 60_000,
  streamIdleMs: 60_000,
  writeStallMs: 60_000,
  keepAliveMs: 60_000,
};

function quickWheel(): DeadlineWheel {
  return new DeadlineWheel({
    tickMs: 5,
    onFault: (error) => {
      throw error;
    },
  });
}

export interface ServerEngine extends Disposable {
  readonly port: number;
  readonly connections: Set<HttpServerConnection>;
  readonly counted: string[];
  readonly refused: HttpRefusal[];
  readonly faults: unknown[];
  /** Opens a socket to it. */
  open(): Promise<Socket>;
  close(): void;
}

/** Serves plaintext HTTP/2 by `handler` on a free port. */
export async function startServerEngine(
  handler: RequestHandler,
  overrides: Partial<H2ServerOptions> = {},
): Promise<ServerEngine> {
  const wheel = quickWheel();
  const connections = new Set<HttpServerConnection>();
  const counted: string[] = [];
  const faults: unknown[] = [];
  const rules = testRequestRules({ requestTrailers: [] });
  const refused: HttpRefusal[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    detectPreface(socket, {
      wheel,
      idleMs: 60_000,
      prefaceMs: 60_000,
      onProtocol: (protocol, first) => {
        if (protocol !== "h2") {
          socket.destroy();
          return;
        }
        const options = {
          handler,
          rules: () => rules,
          scheme: "http",
          streams: 100,
          timeouts: LONG_TIMEOUTS,
          wheel,
          onRefused: ({ refusal }) => refused.push(refusal),
          reconsider: () => {},
          onFault: (error) => faults.push(error),
          count: (event) => counted.push(event),
          ...overrides,
        } satisfies H2ServerOptions;
        const connection = serveH2(socket, options, first);
        connections.add(connection);
        socket.on("close", () => connections.delete(connection));
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const dispose = (): void => {
    wheel.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    connections,
    counted,
    refused,
    faults,
    open: () => openSocket(port),
    close: dispose,
    [Symbol.dispose]: dispose,
  };
}

export async function openSocket(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

export interface ClientEngine extends Disposable {
  readonly connection: H2ClientConnection;
  readonly counted: string[];
  readonly faults: unknown[];
  readonly closed: Promise<void>;
  close(): void;
}

/** A client engine on a connection to a port. */
export async function openClientEngine(port: number, overrides: Partial<H2ClientOptions> = {}): Promise<ClientEngine> {
  const wheel = quickWheel();
  const counted: string[] = [];
  const faults: unknown[] = [];
  const closed = Promise.withResolvers<void>();
  const connection = new H2ClientConnection(await openSocket(port), {
    rules: testResponseRules(),
    scheme: "http",
    requestTrailers: false,
    timeouts: LONG_TIMEOUTS,
    wheel,
    onIdle: () => {},
    onClosed: () => closed.resolve(),
    onFault: (error) => faults.push(error),
    count: (event) => counted.push(event),
    ...overrides,
  });
  const dispose = (): void => {
    connection.destroy("test");
    wheel.close();
  };
  return {
    connection,
    counted,
    faults,
    closed: closed.promise,
    close: dispose,
    [Symbol.dispose]: dispose,
  };
}

// The HTTP/1.1 engines alone, over TCP on loopback: a server with a handler of the test's, a client with a target that the test plays.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { DeadlineWheel } from "../../../src/proxy-tls/http/deadlines.ts";
import type { ServerEvents, ServerExchange } from "../../../src/proxy-tls/http/exchange.ts";
import { H1ClientConnection } from "../../../src/proxy-tls/http/h1/client-connection.ts";
import { serveH1 } from "../../../src/proxy-tls/http/h1/server-connection.ts";
import type { HttpTimeouts } from "../../../src/proxy-tls/http/timeouts.ts";
import { LONG_TIMEOUTS } from "./http2-engines.ts";
import { testRequestRules, testResponseRules } from "./rules.ts";

export interface H1Engine {
  /** What the engine could not expect. */
  readonly faults: unknown[];
  /** Opens a connection. @returns both of its ends */
  open(): Promise<{ readonly client: Socket; readonly socket: Socket }>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Serves HTTP/1.1 in plaintext by `handler`, which is also given the engine's socket. */
export async function startH1Engine(
  handler: (exchange: ServerExchange, socket: Socket) => ServerEvents,
  { timeouts = {} }: { timeouts?: Partial<HttpTimeouts> } = {},
): Promise<H1Engine> {
  const faults: unknown[] = [];
  const onFault = (error: unknown): void => {
    faults.push(error);
  };
  const wheel = new DeadlineWheel({ tickMs: 10, onFault });
  const rules = testRequestRules();
  const accepted: Socket[] = [];
  const clients: Socket[] = [];
  let onAccepted: (socket: Socket) => void = () => {};
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    accepted.push(socket);
    socket.on("error", () => {});
    serveH1(socket, {
      handler: (exchange) => handler(exchange, socket),
      rules: () => rules,
      allowHttp10: false,
      timeouts: { ...LONG_TIMEOUTS, ...timeouts },
      ...{ wheel, onFault, onRefused() {}, reconsider() {}, count() {} },
    });
    onAccepted(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    faults,
    async open() {
      const arrived = new Promise<Socket>((resolve) => {
        onAccepted = resolve;
      });
      const client = connect({ port, host: "127.0.0.1", noDelay: true });
      clients.push(client);
      client.on("error", () => {});
      return { client, socket: await arrived };
    },
    async [Symbol.asyncDispose]() {
      wheel.close();
      for (const socket of [...clients, ...accepted]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface H1Target {
  readonly connection: H1ClientConnection;
  /** What was counted. */
  readonly counted: string[];
  /** The engine's socket. */
  readonly socket: Socket;
  /** The target's end. */
  readonly target: Socket;
  /** How often the connection was free for the next exchange, and whether it is closed. */
  readonly life: { idle: number; closed: boolean };
  [Symbol.asyncDispose](): Promise<void>;
}

/** An HTTP/1.1 client engine on a connection to a target which the test plays. */
export async function connectH1Target(
  onIdle: () => void = () => {},
  timeouts: Partial<HttpTimeouts> = {},
): Promise<H1Target> {
  const onFault = (error: unknown): void => {
    throw error;
  };
  const wheel = new DeadlineWheel({ tickMs: 10, onFault });
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const arrived = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const target = await arrived;
  target.on("error", () => {});
  const counted: string[] = [];
  const life = { idle: 0, closed: false };
  const connection = new H1ClientConnection(socket, {
    rules: testResponseRules(),
    untilClose: "allow",
    timeouts: { ...LONG_TIMEOUTS, ...timeouts },
    ...{ wheel, onFault, count: (event) => counted.push(event) },
    onIdle() {
      life.idle++;
      onIdle();
    },
    onClosed() {
      life.closed = true;
    },
  });
  return {
    ...{ connection, counted, socket, target, life },
    async [Symbol.asyncDispose]() {
      wheel.close();
      socket.destroy();
      target.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

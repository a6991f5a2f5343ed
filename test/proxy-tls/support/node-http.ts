// What node:http (llhttp, without any leniency) makes of a stream of octets, over real sockets: the second opinion on our own codec.
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A message as a reader understood it; names in lower case, everything in latin1. */
export interface ReadMessage {
  /** `METHOD target`, or the status. */
  readonly start: string;
  readonly version: string;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

export interface NodeReading {
  readonly messages: ReadMessage[];
  /** Statuses of interim responses (100 and 103). */
  readonly interim: number[];
  /** Why node stopped reading, such as HPE_INVALID_METHOD. */
  error: string | undefined;
}

function pairs(raw: readonly string[]): string[] {
  return raw.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text));
}

function messageOf(incoming: IncomingMessage, start: string, body: readonly Buffer[]): ReadMessage {
  const { httpVersion: version, rawHeaders, rawTrailers } = incoming;
  const fields = pairs(rawHeaders);
  return { start, version, fields, body: Buffer.concat(body).toString("latin1"), trailers: pairs(rawTrailers) };
}

interface Closable {
  [Symbol.asyncDispose](): Promise<void>;
}

/** A server that reads request streams, one connection for each. */
export interface RequestReader extends Closable {
  read(stream: string): Promise<NodeReading>;
}

export async function startRequestReader(): Promise<RequestReader> {
  const directory = await mkdtemp(join(tmpdir(), "http1-"));
  const path = join(directory, "s");
  const readings = new Map<Socket, { reading: NodeReading; done: () => void }>();
  let waiting: { reading: NodeReading; done: () => void } | undefined;

  const take = (incoming: IncomingMessage, response: ServerResponse): void => {
    const body: Buffer[] = [];
    const reading = readings.get(incoming.socket)?.reading;
    incoming.on("data", (chunk: Buffer) => body.push(chunk));
    incoming.on("error", () => {});
    incoming.on("end", () => {
      reading?.messages.push(messageOf(incoming, `${incoming.method} ${incoming.url}`, body));
      response.end();
    });
  };
  const server = createHttpServer({
    insecureHTTPParser: false,
    requireHostHeader: false,
    joinDuplicateHeaders: false,
    maxHeaderSize: 256 * 1024,
    requestTimeout: 0,
    headersTimeout: 0,
    keepAliveTimeout: 0,
  });
  server.maxHeadersCount = 0;
  // The end of the stream must not abort what was read of it.
  Object.assign(server, { httpAllowHalfOpen: true });
  for (const event of ["request", "checkContinue", "checkExpectation"]) server.on(event, take);
  server.on("connect", (_request, socket: Socket) => socket.destroy());
  server.on("connection", (socket: Socket) => {
    if (waiting === undefined) return;
    const { reading, done } = waiting;
    readings.set(socket, { reading, done });
    // Whatever node still has to tell comes within two turns.
    socket.on("end", () => setImmediate(() => setImmediate(done)));
    socket.on("close", done);
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const entry = readings.get(socket);
    if (entry !== undefined) entry.reading.error ??= error.code ?? error.message;
    setImmediate(() => setImmediate(() => socket.destroy()));
  });
  server.listen(path);
  await once(server, "listening");

  return {
    async read(stream) {
      const reading: NodeReading = { messages: [], interim: [], error: undefined };
      const client = await new Promise<Socket>((resolve) => {
        waiting = { reading, done: () => resolve(client) };
        const client = connect(path);
        client.on("error", () => {});
        client.resume();
        client.end(stream, "latin1");
      });
      waiting = undefined;
      client.destroy();
      for (const [socket, entry] of readings) {
        if (entry.reading !== reading) continue;
        readings.delete(socket);
        socket.destroy();
      }
      return { ...reading, messages: [...reading.messages] };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

/** A client that reads the response in a stream that ends with its connection. */
export interface ResponseReader extends Closable {
  read(stream: string, method: string): Promise<NodeReading>;
}

export async function startResponseReader(): Promise<ResponseReader> {
  const directory = await mkdtemp(join(tmpdir(), "http1-"));
  const path = join(directory, "s");
  let stream = "";
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(stream, "latin1"));
    socket.resume();
  });
  server.listen(path);
  await once(server, "listening");

  return {
    read(text, method) {
      stream = text;
      return new Promise((resolve) => {
        const reading: NodeReading = { messages: [], interim: [], error: undefined };
        const outgoing = request({ socketPath: path, method, agent: false, maxHeaderSize: 256 * 1024 });
        outgoing.maxHeadersCount = 0;
        outgoing.on("information", ({ statusCode }) => reading.interim.push(statusCode));
        outgoing.on("upgrade", (_response, socket) => socket.destroy());
        outgoing.on("response", (incoming) => {
          const body: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => body.push(chunk));
          incoming.on("error", () => {});
          incoming.on("end", () => {
            if (incoming.complete) reading.messages.push(messageOf(incoming, `${incoming.statusCode}`, body));
          });
        });
        outgoing.on("error", (error: NodeJS.ErrnoException) => {
          reading.error ??= error.code ?? error.message;
        });
        outgoing.on("close", () => setImmediate(() => resolve(reading)));
        outgoing.end();
      });
    },
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

// The far ends of a proxy under test: backends and clients that keep the very bytes they receive and how their connection ended.
import { type AddressInfo, createServer, connect as netConnect, type Server, type Socket } from "node:net";
import { type ConnectionOptions, connect, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { clientTlsOptions, serverTlsOptions, type TlsIdentity } from "../../../src/tls/index.ts";
import { until } from "../../tls/support/endpoints.ts";

/** One end of a connection. It reads everything as it comes. */
export class End<S extends Socket = Socket> {
  readonly socket: S;
  /** The TCP socket, where `socket` is a TLS one on it. */
  readonly #raw: Socket;
  readonly #chunks: Buffer[] = [];
  #length = 0;
  /** The other side has ended its direction. */
  ended = false;
  /** The connection is gone: in order, or by an error such as ECONNRESET. */
  closed: "no" | "closed" | "error" = "no";
  error: string | undefined;

  constructor(socket: S, raw: Socket = socket) {
    this.socket = socket;
    this.#raw = raw;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
    });
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error ??= error.code ?? error.message;
    });
    socket.on("close", () => {
      this.closed = this.error === undefined ? "closed" : "error";
    });
  }

  /** What came so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** The same as latin1 text. */
  get text(): string {
    return this.bytes.toString("latin1");
  }

  get length(): number {
    return this.#length;
  }

  /** Ends the TCP connection under TLS: its FIN comes without close_notify. */
  cut(): void {
    this.#raw.end();
  }

  /** Ends the connection by a reset, as a process does that is killed with bytes unread. */
  reset(): void {
    this.#raw.resetAndDestroy();
  }

  /** Waits until this many bytes have come. */
  async receive(count: number): Promise<string> {
    await until(() => this.#length >= count || this.closed !== "no", `${count} bytes`);
    return this.text;
  }

  /** Waits until the other side has ended its direction or the connection is gone. */
  whenEnded(): Promise<void> {
    return until(() => this.ended || this.closed !== "no", "the end");
  }

  whenClosed(): Promise<void> {
    return until(() => this.closed !== "no", "the close");
  }
}

export interface Backend {
  readonly port: number;
  /** One for each connection so far, in order. */
  readonly ends: End[];
  /** The connection with this number, once it is there. */
  end(index?: number): Promise<End>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A plaintext server that keeps what it receives; `onEnd` may answer. */
export async function startBackend(onEnd: (end: End) => void = () => {}, port = 0): Promise<Backend> {
  const ends: End[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const end = new End(socket);
    ends.push(end);
    onEnd(end);
  });
  return listening(server, ends, port);
}

/** A backend that returns every byte, and ends when its client does. */
export function startEcho(): Promise<Backend> {
  return startBackend(({ socket }) => {
    socket.on("data", (chunk: Buffer) => {
      if (!socket.write(chunk)) socket.pause();
    });
    socket.on("drain", () => socket.resume());
    socket.on("end", () => socket.end());
  });
}

/** A TLS server as an outbound listener's target: it asks for a client certificate and takes any, unless `onEnd` does otherwise. */
export async function startTlsBackend(identity: TlsIdentity, onEnd: (end: End<TLSSocket>) => void = () => {}) {
  const ends: End[] = [];
  const raws = new Map<number | undefined, Socket>();
  const tls = createTlsServer(serverTlsOptions(identity, { alpn: [] }), (socket) => {
    const end = new End(socket, raws.get(socket.remotePort));
    ends.push(end);
    onEnd(end);
  });
  tls.on("tlsClientError", (_error, socket) => socket.destroy());
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (raw) => {
    raw.on("error", () => {});
    raws.set(raw.remotePort, raw);
    tls.emit("connection", raw);
  });
  const backend = await listening(server, ends, 0);
  return {
    ...backend,
    async [Symbol.asyncDispose]() {
      // Those whose handshake never came to its end are nobody's.
      for (const raw of raws.values()) raw.destroy();
      await backend[Symbol.asyncDispose]();
    },
  };
}

async function listening(server: Server, ends: End[], port: number): Promise<Backend> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    ends,
    async end(index = 0) {
      await until(() => ends[index] !== undefined, `connection ${index} at the backend`);
      return ends[index] as End;
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of ends) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface ClientOptions {
  readonly alpn?: readonly string[];
  /** What our own clients never do. */
  readonly tls?: ConnectionOptions;
}

/** A raw TLS client that judges nobody, half-open, after its handshake. Whether it is accepted shows later. */
export async function connectClient(
  port: number,
  identity: TlsIdentity | undefined,
  { alpn = [], tls = {} }: ClientOptions = {},
): Promise<End<TLSSocket>> {
  const raw = await connectTcp({ port });
  const socket = connect({ ...clientTlsOptions(identity, { alpn }), ...tls, socket: raw });
  const end = new End(socket, raw);
  return new Promise((resolve, reject) => {
    socket.once("secureConnect", () => resolve(end));
    socket.once("error", reject);
  });
}

/** A plaintext client, half-open. */
export async function connectPlain(address: { port: number } | { path: string }): Promise<End> {
  return new End(await connectTcp(address));
}

function connectTcp(address: { port: number } | { path: string }): Promise<Socket> {
  const socket = netConnect({ ...address, allowHalfOpen: true, noDelay: true });
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once("connect", () => resolve(socket));
  });
}

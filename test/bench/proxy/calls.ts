// The load client's connections: raw sockets with a keep-alive connection each, requests that were made beforehand and a reader that
// only counts, and HTTP/2 sessions of node:http2. Where one breaks, its call has failed, and a new one takes its place.
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { Wire } from "./messages.ts";
import { AUTHORITY, REQUEST, REQUEST_FIELDS, TARGET } from "./traffic.ts";

const STATUS_LINE = "HTTP/1.1 200";
const TIMEOUT_MS = 30_000;

/** One connection (HTTP/2: session) that carries the same call again and again. */
export interface Caller {
  /** Resolves when the whole answer is there. */
  call(): Promise<void>;
  readonly broken: boolean;
  close(): void;
}

/** What the client shows. Servers are not verified: the client is not what is measured. */
export function clientTls(folder: string): ConnectionOptions {
  return {
    host: "127.0.0.1",
    cert: readFileSync(join(folder, "svid.pem")),
    key: readFileSync(join(folder, "svid_key.pem")),
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  };
}

export async function openCaller(wire: Wire, port: number, tls: ConnectionOptions): Promise<Caller> {
  if (wire === "h2") return openHttp2(port, tls);
  const socket = wire === "tcp" ? connectTcp({ host: "127.0.0.1", port, noDelay: true }) : connectTls({ ...tls, port });
  socket.on("error", () => {});
  await opened(socket, wire === "tcp" ? "connect" : "secureConnect");
  socket.setNoDelay(true);
  return new RawCaller(socket);
}

function opened(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed before it was open")));
  });
}

/** Every answer has the length of the first, whose length is read once. */
class RawCaller implements Caller {
  readonly #socket: Socket;
  #expected = 0;
  #received = 0;
  #first: Buffer[] = [];
  #done: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  broken = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("close", () => this.#fail("the connection was closed"));
    socket.setTimeout(TIMEOUT_MS, () => this.#done && this.#fail("no answer in time"));
  }

  call(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      this.#received = 0;
      if (this.broken) this.#fail("the connection was closed");
      else this.#socket.write(REQUEST);
    });
  }

  close(): void {
    this.#socket.removeAllListeners("close");
    this.#socket.destroy();
  }

  #data(chunk: Buffer): void {
    const found = this.#take(chunk);
    if (found === "more") return;
    if (found !== "whole") {
      this.#fail(found);
      return;
    }
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  /** Whether the answer is whole now, or what is wrong with it. */
  #take(chunk: Buffer): "more" | "whole" | (string & {}) {
    if (this.#done === undefined) return `bytes that nobody asked for: ${sample(chunk)}`;
    if (this.#received === 0 && !startsWith(chunk, STATUS_LINE)) return `answered ${sample(chunk)}`;
    this.#received += chunk.length;
    if (this.#expected === 0) {
      this.#first.push(chunk);
      const text = Buffer.concat(this.#first).toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return "more";
      const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1];
      if (length === undefined) return "an answer without Content-Length";
      this.#expected = end + 4 + Number(length);
      this.#first = [];
    }
    if (this.#received < this.#expected) return "more";
    return this.#received === this.#expected ? "whole" : "an answer longer than the first";
  }

  #fail(sentence: string): void {
    this.broken = true;
    this.#socket.destroy();
    if (this.#done !== undefined) this.#failed?.(new Error(sentence));
    this.#done = undefined;
  }
}

async function openHttp2(port: number, tls: ConnectionOptions): Promise<Caller> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, {
    createConnection: () => connectTls({ ...tls, port, ALPNProtocols: ["h2"] }),
  });
  session.on("error", () => {});
  await new Promise((resolve, reject) => session.once("connect", resolve).once("error", reject));
  return new Http2Caller(session);
}

class Http2Caller implements Caller {
  readonly #session: ClientHttp2Session;

  constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  get broken(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  call(): Promise<void> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({
        ...{ ":method": "GET", ":scheme": "https", ":authority": AUTHORITY, ":path": TARGET },
        ...REQUEST_FIELDS,
      });
      let status: unknown;
      stream.on("response", (headers) => {
        status = headers[":status"];
      });
      stream.on("data", () => {});
      stream.on("error", reject);
      stream.on("close", () =>
        status === 200 && stream.rstCode === 0
          ? resolve()
          : reject(new Error(`answered ${String(status)}, RST ${stream.rstCode}`)),
      );
    });
  }

  close(): void {
    this.#session.destroy();
  }
}

function startsWith(chunk: Buffer, text: string): boolean {
  return chunk.toString("latin1", 0, text.length) === text;
}

function sample(chunk: Buffer): string {
  return JSON.stringify(chunk.toString("latin1", 0, 80));
}

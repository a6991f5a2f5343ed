// The server's side of an HTTP/2 connection, on node:http2: settings, new streams, what is refused before there is an exchange, deadlines,
// floods, the way it ends. Each session has its own 'stream' listener, so that whatever was found about the peer is in the handler's
// closure and cannot be another connection's.
//
//   open -> closing (GOAWAY: no new streams) -> closed
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { ServerEngineOptions } from "../engine-options.ts";
import type { AbortCause, FieldList, HttpServerConnection, RequestHead } from "../exchange.ts";
import { screenRequest } from "../fields/index.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { RefusedError } from "../refusal.ts";
import { Roster } from "../roster.ts";
import { LINGER_MS } from "../timeouts.ts";
import { closeSession } from "./ending.ts";
import { readRequestHead, type Scheme, sizeOf } from "./heads.ts";
import { refuseStream } from "./refuse-stream.ts";
import { H2ServerExchange } from "./server-exchange.ts";
import { SessionWatch } from "./session-watch.ts";
import { serverSessionOptions } from "./settings.ts";
import { ignore } from "./stream-link.ts";

export interface H2ServerOptions extends ServerEngineOptions {
  /** What `:scheme` must say. */
  readonly scheme: Scheme;
  /** Concurrent streams. */
  readonly streams: number;
}

/**
 * Serves HTTP/2 on a socket whose error handler is set: over TLS with ALPN h2, or in plaintext when the preface was seen and put back
 * (detectPreface). Nothing else may read from or write to the socket afterwards.
 */
export function serveH2(socket: Socket, options: H2ServerOptions): HttpServerConnection {
  return new H2ServerConnection(socket, options);
}

export class H2ServerConnection implements HttpServerConnection {
  readonly options: H2ServerOptions;
  readonly watch: SessionWatch;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #exchanges = new Roster<H2ServerExchange>();
  #state: "open" | "closing" | "closed" = "open";
  /** When it began to close, or became idle. */
  #since = performance.now();
  #spoke = false;
  #lastStream = 0;
  /** A stream whose head has begun and not ended, and since when. */
  #begun = 0;
  #begunAt = 0;

  constructor(socket: Socket, options: H2ServerOptions) {
    this.options = options;
    this.#socket = socket;
    const { headMs, bodyIdleMs, writeStallMs, keepAliveMs } = options.timeouts;
    this.watch = new SessionWatch(socket, options, [headMs, bodyIdleMs, writeStallMs, keepAliveMs], {
      onFlood: () => this.#end({ kind: "closed", reason: "flood" }),
      onSweep: (now) => this.#onSweep(now),
    });
    const session = performServerHandshake(socket, serverSessionOptions(options.streams));
    this.#session = session;
    session.on("error", () => {});
    session.on("stream", (stream, _headers, flags, raw) => {
      stream.on("error", ignore);
      try {
        this.#onStream(stream, flags, raw);
      } catch (error) {
        this.fault(error);
      }
    });
    session.on("ping", () => this.watch.ping());
    session.on("remoteSettings", () => this.#onSettings());
    session.on("goaway", () => this.#onGoaway());
    socket.on("error", () => {});
    socket.on("end", () => this.#end({ kind: "peer-gone" }));
    socket.on("close", () => this.#end({ kind: "peer-gone" }));
    // Gone before we listened: no event will tell.
    if (socket.destroyed || socket.readableEnded) process.nextTick(() => this.#end({ kind: "peer-gone" }));
  }

  get active(): number {
    return this.#exchanges.size;
  }

  drain(): void {
    if (this.#state !== "open") return;
    this.#beginClosing();
    closeSession(this.#session);
  }

  reconsider(): void {
    this.options.reconsider();
  }

  destroy(reason: string): void {
    this.#end({ kind: "closed", reason });
  }

  // What an exchange calls.

  left(exchange: H2ServerExchange): void {
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size === 0) this.#since = performance.now();
  }

  /** A fault of ours ends this connection, not the process. */
  fault(error: unknown): void {
    this.options.onFault(error);
    this.#end({ kind: "closed", reason: "fault" });
  }

  // What the session tells.

  #onStream(stream: ServerHttp2Stream, flags: number, raw: FieldList): void {
    this.#spoke = true;
    this.#lastStream = stream.id ?? 0;
    this.watch.budget.head(sizeOf(raw));
    const endStream = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    let rawHead: RawRequestHead | undefined;
    let head: RequestHead;
    try {
      rawHead = readRequestHead(raw, endStream, this.options.scheme);
      head = screenRequest(rawHead, this.options.rules());
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      if (!endStream) this.watch.budget.unwanted();
      refuseStream(stream, error.refusal, endStream);
      this.options.onRefused(error.refusal, rawHead);
      return;
    }
    const exchange = new H2ServerExchange(this, stream, head, rawHead, endStream);
    this.#exchanges.add(exchange);
    exchange.begin(this.options.handler(exchange));
  }

  #onSettings(): void {
    this.#spoke = true;
    this.watch.settings();
  }

  /** The client says that it will open no more streams. */
  #onGoaway(): void {
    if (this.#state === "open") this.#beginClosing();
  }

  // Deadlines.

  #onSweep(now: number): void {
    // node ended it, for a broken protocol; the socket may hang on what the client does not take.
    if (this.#session.destroyed && this.#state === "open") this.#beginClosing();
    for (const exchange of this.#exchanges.all()) exchange.checkDeadlines(now);
    if (this.#exchanges.size === 0) this.#checkIdle(now);
  }

  #checkIdle(now: number): void {
    const { headMs, keepAliveMs } = this.options.timeouts;
    const idleMs = now - this.#since;
    if (this.#state === "closing") {
      if (idleMs > LINGER_MS) this.#end({ kind: "timeout", deadline: "keep-alive" });
    } else if (!this.#spoke && headMs > 0 && idleMs > headMs) this.#end({ kind: "timeout", deadline: "preface" });
    else if (headMs > 0 && this.#isInHead(now) && now - this.#begunAt > headMs) {
      this.#end({ kind: "timeout", deadline: "head" });
    } else if (keepAliveMs > 0 && idleMs > keepAliveMs) this.drain();
  }

  /** Whether the head of a stream has begun that was never told whole. */
  #isInHead(now: number): boolean {
    const begun = this.#session.state.lastProcStreamID ?? 0;
    if (begun <= this.#lastStream) return false;
    if (begun !== this.#begun) {
      this.#begun = begun;
      this.#begunAt = now;
    }
    return true;
  }

  // Ends.

  #beginClosing(): void {
    this.#state = "closing";
    this.#since = performance.now();
  }

  #end(cause: AbortCause): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.watch.stop();
    // First the streams: what a session closes by itself ends without an error, and would look complete.
    for (const exchange of this.#exchanges.all()) exchange.cut(cause);
    this.#session.destroy();
    this.#socket.destroy();
  }
}

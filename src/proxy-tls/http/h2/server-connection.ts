// The server's side of an HTTP/2 connection: new streams, what is refused before there is an exchange, deadlines, the way it ends. The frames are
// src/http2's. Whatever was found about the peer is in the handler's closure and cannot be another connection's.
//
//   open -> closing (no new streams); then as src/http2/socket has it: finishing (all is written) -> closed
import type { Socket } from "node:net";
import {
  type ConnectionFault,
  ENHANCE_YOUR_CALM,
  type FieldList,
  Http2Server,
  type Http2Stream,
  NO_ERROR,
  type ServerEvents,
  SocketDriver,
  type SocketOwner,
  UnfinishedTime,
  WriteStall,
} from "../../../http2/index.ts";
import type { ServerEngineOptions } from "../engine-options.ts";
import type { AbortCause, HttpServerConnection, RequestHead } from "../exchange.ts";
import { headTooLarge } from "../fields/head-size.ts";
import { screenRequest } from "../fields/index.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { badRequest, type HttpRefusal, RefusedError } from "../refusal.ts";
import { Roster } from "../roster.ts";
import { LINGER_MS } from "../timeouts.ts";
import { readRequestHead, type Scheme } from "./heads.ts";
import { RefusedStream } from "./refused-stream.ts";
import { H2ServerExchange } from "./server-exchange.ts";
import { Sweep, type SweepOwner } from "./sweep.ts";

export interface H2ServerOptions extends ServerEngineOptions {
  /** What `:scheme` must say. */
  readonly scheme: Scheme;
  /** Concurrent streams. */
  readonly streams: number;
}

/**
 * Serves HTTP/2 on a socket whose error handler is set: over TLS with ALPN h2, or in plaintext when the preface was seen. Nothing else may
 * read from or write to the socket afterwards.
 * @param first bytes that were read from it before
 */
export function serveH2(socket: Socket, options: H2ServerOptions, first?: Uint8Array): HttpServerConnection {
  return new H2ServerConnection(socket, options, first);
}

export class H2ServerConnection implements HttpServerConnection, ServerEvents, SocketOwner<AbortCause>, SweepOwner {
  readonly options: H2ServerOptions;
  readonly sweep: Sweep;
  readonly #http2: Http2Server;
  readonly #driver: SocketDriver<AbortCause>;
  readonly #unfinished: UnfinishedTime;
  readonly #exchanges = new Roster<H2ServerExchange>();
  readonly #stall: WriteStall;
  #closing = false;
  /** When it began to close, or became idle. */
  #since = performance.now();
  #spoke = false;
  #clientLeaves = false;

  constructor(socket: Socket, options: H2ServerOptions, first: Uint8Array | undefined) {
    this.options = options;
    this.#stall = new WriteStall(socket);
    const { headMs, bodyIdleMs, writeStallMs, keepAliveMs } = options.timeouts;
    this.sweep = new Sweep(options.wheel, [headMs, bodyIdleMs, writeStallMs, keepAliveMs], this);
    this.#http2 = new Http2Server(socket, this, options.streams);
    this.#unfinished = new UnfinishedTime(this.#http2);
    this.#driver = new SocketDriver(socket, this.#http2, this);
    if (first !== undefined && first.length > 0)
      this.#driver.receive(Buffer.from(first.buffer, first.byteOffset, first.length));
  }

  get active(): number {
    return this.#exchanges.size;
  }

  drain(): void {
    if (this.#closing) return;
    this.#beginClosing();
    this.#http2.drain();
  }

  reconsider(): void {
    this.options.reconsider();
  }

  destroy(reason: string): void {
    this.#driver.end({ kind: "closed", reason });
  }

  // What an exchange calls.

  left(exchange: H2ServerExchange): void {
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size > 0) return;
    this.#since = performance.now();
    this.#finishIfDone();
  }

  /** A fault of ours ends this connection, not the process. */
  fault(error: unknown): void {
    this.options.onFault(error);
    this.#driver.end({ kind: "closed", reason: "fault" });
  }

  // ServerEvents.

  onRequest(stream: Http2Stream, fields: FieldList, endStream: boolean): void {
    this.#spoke = true;
    let raw: RawRequestHead | undefined;
    let head: RequestHead;
    try {
      raw = readRequestHead(fields, endStream, this.options.scheme);
      head = screenRequest(raw, this.options.rules());
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#refuse(stream, error.refusal, raw);
      return;
    }
    const exchange = new H2ServerExchange(this, stream, head, raw);
    this.#exchanges.add(exchange);
    exchange.begin(this.options.handler(exchange));
  }

  onTooLarge(stream: Http2Stream): void {
    this.#spoke = true;
    this.#refuse(stream, headTooLarge("head-too-large"), undefined);
  }

  onMalformed(): void {
    this.#spoke = true;
    const refusal = badRequest("http2-protocol");
    this.options.onRefused({ refusal, protocol: "2", raw: undefined, answered: false });
  }

  onSettings(): void {
    this.#spoke = true;
  }

  /** The client says that it will open no more streams. */
  onGoaway(code: number): void {
    this.#clientLeaves = true;
    if (!this.#closing) this.#beginClosing();
    if (code === NO_ERROR) this.#finishIfDone();
    else this.#driver.end({ kind: "peer-gone" });
  }

  onFault({ code }: ConnectionFault): void {
    if (code === ENHANCE_YOUR_CALM) this.options.count("h2-flood");
    this.cut(code === ENHANCE_YOUR_CALM ? { kind: "closed", reason: "flood" } : { kind: "peer-gone" });
    this.#driver.finish();
  }

  // SocketOwner.

  onRead(): void {
    this.#finishIfDone();
  }

  onPeerGone(): void {
    this.#driver.end({ kind: "peer-gone" });
  }

  cut(cause: AbortCause): void {
    for (const exchange of this.#exchanges.all()) exchange.cut(cause);
  }

  onClosed(): void {
    this.sweep.stop();
  }

  #refuse(stream: Http2Stream, refusal: HttpRefusal, raw: RawRequestHead | undefined): void {
    new RefusedStream(stream).answer(refusal, raw?.method);
    this.options.onRefused({ refusal, protocol: "2", raw, answered: true });
  }

  // SweepOwner.

  onSweep(elapsedMs: number): void {
    const { now } = this.sweep;
    this.#http2.tick(elapsedMs);
    const { headMs, writeStallMs } = this.options.timeouts;
    if (this.#driver.isFinishing) {
      if (this.#driver.isOverdue(now)) this.#driver.end({ kind: "timeout", deadline: "keep-alive" });
      return;
    }
    for (const exchange of this.#exchanges.all()) exchange.checkDeadlines(now);
    if (writeStallMs > 0 && this.#stall.lastsMs(now) > writeStallMs) {
      this.#driver.end({ kind: "timeout", deadline: "write-stall" });
    } else if (headMs > 0 && this.#unfinished.lastsMs(now) > headMs) {
      this.#driver.end({ kind: "timeout", deadline: this.#spoke ? "head" : "preface" });
    } else if (this.#exchanges.size === 0) this.#checkIdle(now);
  }

  #checkIdle(now: number): void {
    const { headMs, keepAliveMs } = this.options.timeouts;
    const idleMs = now - this.#since;
    if (this.#closing) {
      this.#finishIfDone();
      if (idleMs > LINGER_MS) this.#driver.end({ kind: "timeout", deadline: "keep-alive" });
    } else if (!this.#spoke && headMs > 0 && idleMs > headMs)
      this.#driver.end({ kind: "timeout", deadline: "preface" });
    else if (keepAliveMs > 0 && idleMs > keepAliveMs) this.drain();
  }

  // Ends.

  #beginClosing(): void {
    this.#closing = true;
    this.#since = performance.now();
  }

  #finishIfDone(): void {
    if (!this.#closing || this.#exchanges.size > 0 || this.#http2.active > 0) return;
    if (this.#http2.saidFarewell || this.#clientLeaves) this.#driver.finish();
  }
}

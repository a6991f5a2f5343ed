// The client's side of an HTTP/2 connection to a target, over a socket that was connected and verified before. The frames are src/http2's. A
// malformed answer ends its own stream; what breaks the connection's framing ends every exchange on it, so that it is not to be shared by
// callers who must not hurt each other.
//
//   open -> draining (no new exchanges); then as src/http2/socket has it: finishing (the end is written) -> closed
import type { Socket } from "node:net";
import {
  type ConnectionEvents,
  type ConnectionFault,
  ENHANCE_YOUR_CALM,
  Http2Client,
  NO_ERROR,
  SocketDriver,
  type SocketOwner,
  WriteStall,
} from "../../../http2/index.ts";
import type { ClientEngineOptions } from "../engine-options.ts";
import type { AbortCause, ClientEvents, ClientExchange, HttpClientConnection, RequestHead } from "../exchange.ts";
import { badResponse } from "../refusal.ts";
import { Roster } from "../roster.ts";
import { H2ClientExchange } from "./client-exchange.ts";
import type { Scheme } from "./heads.ts";
import { Sweep, type SweepOwner } from "./sweep.ts";

/** Streams that we open at a time on one connection, whatever the target allows. */
const MAX_STREAMS = 100;

export interface H2ClientOptions extends ClientEngineOptions {
  /** https over TLS. */
  readonly scheme: Scheme;
  /** Whether requests may end in trailers. */
  readonly requestTrailers: boolean;
}

/** An HTTP/2 client on a connected and verified socket. Nothing else may read from or write to the socket afterwards. */
export class H2ClientConnection implements HttpClientConnection, ConnectionEvents, SocketOwner<AbortCause>, SweepOwner {
  readonly protocol = "h2";
  readonly options: H2ClientOptions;
  readonly sweep: Sweep;
  readonly #http2: Http2Client;
  readonly #driver: SocketDriver<AbortCause>;
  readonly #exchanges = new Roster<H2ClientExchange>();
  readonly #stall: WriteStall;
  #draining = false;

  constructor(socket: Socket, options: H2ClientOptions) {
    this.options = options;
    this.#stall = new WriteStall(socket);
    const { streamIdleMs, writeStallMs } = options.timeouts;
    this.sweep = new Sweep(options.wheel, [streamIdleMs, writeStallMs], this);
    this.#http2 = new Http2Client(socket, this, MAX_STREAMS);
    this.#driver = new SocketDriver(socket, this.#http2, this);
  }

  get capacity(): number {
    if (this.#draining || !this.#driver.isOpen) return 0;
    return this.#http2.capacity;
  }

  get active(): number {
    return this.#exchanges.size;
  }

  request(head: RequestHead, events: ClientEvents): ClientExchange {
    if (this.capacity === 0) throw new TypeError("a connection without capacity was given a request");
    const exchange = new H2ClientExchange(this, head, events);
    this.#exchanges.add(exchange);
    exchange.begin(this.#http2);
    return exchange;
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#http2.drain();
    this.#finishIfDone();
  }

  destroy(reason: string): void {
    this.#driver.end({ kind: "closed", reason });
  }

  // What an exchange calls.

  left(exchange: H2ClientExchange): void {
    this.#exchanges.delete(exchange);
    if (this.capacity > 0) this.options.onIdle();
    else this.#finishIfDone();
  }

  /** A fault of ours ends this connection, not the process. */
  fault(error: unknown): void {
    this.options.onFault(error);
    this.#driver.end({ kind: "closed", reason: "fault" });
  }

  // ConnectionEvents.

  onSettings(): void {
    if (this.capacity > 0) this.options.onIdle();
  }

  onGoaway(code: number): void {
    this.#draining = true;
    // What it still had to say would have come before.
    if (code !== NO_ERROR) this.#driver.end({ kind: "peer-gone" });
  }

  onFault({ code }: ConnectionFault): void {
    const flood = code === ENHANCE_YOUR_CALM;
    if (flood) this.options.count("h2-flood");
    this.cut(
      flood ? { kind: "closed", reason: "flood" } : { kind: "malformed", refusal: badResponse("http2-protocol") },
    );
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
    this.options.onClosed();
  }

  // SweepOwner.

  onSweep(elapsedMs: number): void {
    const { now } = this.sweep;
    if (this.#driver.isFinishing) {
      if (this.#driver.isOverdue(now)) this.#driver.end({ kind: "peer-gone" });
      return;
    }
    this.#http2.tick(elapsedMs);
    const { writeStallMs } = this.options.timeouts;
    for (const exchange of this.#exchanges.all()) exchange.checkDeadlines(now);
    if (writeStallMs > 0 && this.#stall.lastsMs(now) > writeStallMs) {
      this.#driver.end({ kind: "timeout", deadline: "write-stall" });
    }
  }

  #finishIfDone(): void {
    if (this.#draining && this.#exchanges.size === 0) this.#driver.finish();
  }
}

// The server's side of an HTTP/1.1 connection: reads requests by the strict codec, one at a time, and writes their responses.
//
//   idle -> head -> exchange -> idle ...   between requests the keep-alive deadline runs, in a head its own
//   any  -> closing -> closed              nothing more is parsed; what comes is dropped until the client has read our answer
//
// Pipelined bytes wait unparsed until the response before them is written. A refusal is terminal. An abort destroys the socket, so that
// nothing that was sent can be taken for complete.
import type { Socket } from "node:net";
import { resetConnection } from "../../../tls/index.ts";
import { Deadline } from "../deadlines.ts";
import type { AbortCause, FieldList, HttpServerConnection, RequestHead } from "../exchange.ts";
import { NO_SAFE_FIELDS } from "../fields/safe-fields.ts";
import { screenRequest } from "../fields/screen-request.ts";
import { screenTrailers } from "../fields/screen-trailers.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { BODY_IDLE, type HttpRefusal, RefusedError } from "../refusal.ts";
import { LINGER_BYTES, LINGER_MS } from "../timeouts.ts";
import { isGone, PAUSED_CHECK_MS } from "./connection-gone.ts";
import { RequestParser } from "./request-parser.ts";
import { SentAhead } from "./sent-ahead.ts";
import { H1ServerExchange } from "./server-exchange.ts";
import type { ExchangeConnection, H1ServerOptions } from "./server-options.ts";
import { TurnWriter } from "./turn-writer.ts";

/** Serves HTTP/1.1 on a socket (allowHalfOpen, error handler set by its owner too); with `first`, bytes that were read from it before. */
export function serveH1(socket: Socket, options: H1ServerOptions, first?: Uint8Array): HttpServerConnection {
  return new H1ServerConnection(socket, options, first);
}

class H1ServerConnection implements HttpServerConnection, ExchangeConnection {
  readonly writer: TurnWriter;
  readonly #socket: Socket;
  readonly #options: H1ServerOptions;
  readonly #parser: RequestParser;
  /** Head, body, keep-alive or linger, whichever runs. */
  readonly #reading: Deadline;
  readonly #stall: Deadline;
  #state: "open" | "closing" | "closed" = "open";
  #exchange: H1ServerExchange | undefined;
  /** Bytes that wait for the exchange before them. */
  readonly #ahead = new SentAhead();
  #parsing = false;
  /** The head's deadline runs: its later bytes do not extend it. */
  #headArmed = false;
  #lingered = 0;
  #draining = false;
  /** The client has sent its end. */
  #ended = false;
  /** A body is paused by its taker. */
  #paused = false;

  constructor(socket: Socket, options: H1ServerOptions, first: Uint8Array | undefined) {
    this.#socket = socket;
    this.#options = options;
    this.writer = new TurnWriter(socket);
    this.#parser = new RequestParser(options, {
      head: (raw) => this.#onHead(raw),
      data: (chunk) => this.#onBody(chunk),
      end: (trailers) => this.#onRequestEnd(trailers),
      refused: (refusal) => this.#onMalformed(refusal),
    });
    this.#reading = new Deadline(options.wheel, () => this.#onReadingExpired());
    this.#stall = new Deadline(options.wheel, () => this.#end({ kind: "timeout", deadline: "write-stall" }));
    socket.on("data", (chunk: Buffer) => this.#guarded(() => this.#onData(chunk)));
    socket.on("end", () => this.#guarded(() => this.#onEnd()));
    socket.on("drain", () => this.#guarded(() => this.#onDrain()));
    socket.on("close", () => this.#guarded(() => this.#end({ kind: "peer-gone" })));
    socket.on("error", () => {});
    this.#reading.set(options.timeouts.keepAliveMs);
    if (first !== undefined && first.length > 0) this.#guarded(() => this.#onData(first));
  }

  get active(): number {
    return this.#exchange === undefined ? 0 : 1;
  }

  get draining(): boolean {
    return this.#draining;
  }

  drain(): void {
    if (this.#draining || this.#state !== "open") return;
    this.#draining = true;
    // A request whose head has begun is still answered.
    if (this.#isIdle()) this.#finishSocket();
  }

  reconsider(): void {
    this.#options.reconsider();
  }

  destroy(reason: string): void {
    this.#end({ kind: "closed", reason });
  }

  // What the exchange calls.

  pauseReading(): void {
    if (this.#state !== "open" || this.#paused) return;
    this.#paused = true;
    this.#reading.set(PAUSED_CHECK_MS);
    this.#socket.pause();
  }

  resumeReading(): void {
    if (!this.#paused || this.#state !== "open") return;
    this.#paused = false;
    this.#reading.set(this.#bodyIdleMs);
    this.#goOn();
  }

  written(accepted: boolean): boolean {
    if (!accepted && !this.#stall.isSet) this.#stall.set(this.#options.timeouts.writeStallMs);
    return accepted;
  }

  responseEnded(close: boolean): void {
    const requestEnded = this.#exchange?.requestEnded === true;
    this.#exchange = undefined;
    if (close || this.#draining || !requestEnded) {
      this.#finishSocket();
      return;
    }
    this.#reading.set(this.#options.timeouts.keepAliveMs);
    this.#goOn();
  }

  refused(): void {
    this.#exchange = undefined;
    this.#finishSocket();
  }

  abort(): void {
    this.#exchange = undefined;
    this.#close("reset");
  }

  /** Beside a response that has begun a request is a stream. */
  get #bodyIdleMs(): number {
    const { bodyIdleMs, streamIdleMs } = this.#options.timeouts;
    return this.#exchange?.responded === true ? streamIdleMs : bodyIdleMs;
  }

  // What comes from the socket.

  /** A fault of ours ends this connection and nothing else. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onFault(error);
      this.#end({ kind: "closed", reason: "internal" });
    }
  }

  #onData(chunk: Uint8Array): void {
    if (this.#state !== "open") {
      this.#drop(chunk.length);
      return;
    }
    if (this.#parsing || !this.#ahead.isEmpty || !this.#canParse()) {
      this.#hold(chunk);
      return;
    }
    const taken = this.#parse(chunk);
    if (taken < chunk.length && this.#state === "open") this.#hold(chunk.subarray(taken));
  }

  /** Whether the next bytes belong to a request that may be read now: not before the answers to those before it were taken. */
  #canParse(): boolean {
    if (this.#exchange === undefined) return !this.#socket.writableNeedDrain;
    return !this.#exchange.requestEnded;
  }

  /** Goes on with what was sent ahead, and then reads on. */
  #goOn(): void {
    // Called from within what is being parsed: that goes on by itself.
    if (this.#parsing) return;
    this.#parseAhead();
    this.#readOn();
    if (this.#ended) this.#afterEnd();
  }

  #isIdle(): boolean {
    return this.#exchange === undefined && this.#parser.idle && this.#ahead.isEmpty;
  }

  /** @returns how many bytes were taken */
  #parse(chunk: Uint8Array): number {
    let offset = 0;
    this.#parsing = true;
    while (offset < chunk.length && this.#state === "open" && this.#canParse()) {
      offset = this.#parser.execute(chunk, offset);
    }
    this.#parsing = false;
    if (this.#parser.inHead && !this.#headArmed && this.#state === "open") {
      this.#headArmed = true;
      this.#reading.set(this.#options.timeouts.headMs);
    }
    return offset;
  }

  #hold(chunk: Uint8Array): void {
    this.#ahead.add(chunk);
    // Below the bound the socket is read on, so that the client's end is noticed while its response is awaited.
    if (this.#ahead.isFull) this.#socket.pause();
  }

  #parseAhead(): void {
    while (!this.#ahead.isEmpty && !this.#paused && this.#state === "open" && this.#canParse()) {
      const { first } = this.#ahead;
      if (first === undefined) return;
      this.#ahead.taken(this.#parse(first));
    }
  }

  #readOn(): void {
    if (this.#socket.readableFlowing !== false || this.#paused || this.#state !== "open") return;
    if (!this.#ahead.isFull) this.#socket.resume();
  }

  #onEnd(): void {
    this.#ended = true;
    if (this.#state === "open") this.#afterEnd();
    else this.#close();
  }

  /** The client has sent its end; it may still read. What it sent before is answered, as far as it is whole. */
  #afterEnd(): void {
    if (this.#state !== "open" || this.#exchange?.requestEnded === true) return;
    if (!this.#ahead.isEmpty && (this.#paused || !this.#canParse())) return;
    if (this.#isIdle()) this.#finishSocket();
    else this.#end({ kind: "peer-gone" });
  }

  #onDrain(): void {
    this.#stall.clear();
    if (this.#exchange !== undefined) this.#exchange.unblock();
    else this.#goOn();
  }

  /** Nothing is read, so that nothing is heard of the client's end. */
  #checkPaused(): void {
    if (isGone(this.#socket)) this.#end({ kind: "peer-gone" });
    else this.#reading.set(PAUSED_CHECK_MS);
  }

  #onReadingExpired(): void {
    if (this.#state !== "open") this.#close();
    else if (this.#paused) this.#checkPaused();
    else if (this.#exchange !== undefined) this.#onBodyIdle(this.#exchange);
    else if (this.#parser.inHead) {
      this.#refuseHead({ status: 408, code: "MCA_PROXY_REQUEST_TIMEOUT", reason: "head-timeout" }, undefined);
    } else this.#finishSocket();
  }

  #onBodyIdle(exchange: H1ServerExchange): void {
    const { events } = exchange;
    exchange.refuse(BODY_IDLE, NO_SAFE_FIELDS);
    events?.aborted({ kind: "timeout", deadline: "body-idle" });
  }

  // What the codec tells.

  #onHead(raw: RawRequestHead): void {
    this.#headArmed = false;
    let head: RequestHead;
    try {
      head = screenRequest(raw, this.#options.rules());
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#refuseHead(error.refusal, raw);
      return;
    }
    const exchange = new H1ServerExchange(this, head);
    this.#exchange = exchange;
    if (head.body.kind === "none") this.#reading.clear();
    else this.#reading.set(this.#bodyIdleMs);
    exchange.events = this.#options.handler(exchange);
  }

  #onBody(chunk: Uint8Array): void {
    if (this.#exchange === undefined) return;
    if (!this.#paused) this.#reading.set(this.#bodyIdleMs);
    this.#exchange.bodyBegun = true;
    this.#exchange.events?.data(chunk);
  }

  #onRequestEnd(raw: FieldList): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    let trailers = NO_SAFE_FIELDS;
    try {
      if (raw.length > 0) trailers = screenTrailers(raw, this.#options.rules());
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#onMalformed(error.refusal);
      return;
    }
    exchange.requestEnded = true;
    this.#reading.clear();
    // A taker that paused at the last piece has nothing to resume: neither the next request nor the client's end may wait for it.
    this.#paused = false;
    this.#readOn();
    exchange.events?.end(trailers);
  }

  #onMalformed(refusal: HttpRefusal): void {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      this.#refuseHead(refusal, undefined);
      return;
    }
    // In the middle of a body. The taker forgets the exchange; it can be answered only where nothing was.
    this.#parser.stop();
    const { events } = exchange;
    exchange.refuse(refusal, NO_SAFE_FIELDS);
    events?.aborted({ kind: "malformed", refusal });
  }

  #refuseHead(refusal: HttpRefusal, raw: RawRequestHead | undefined): void {
    this.#parser.stop();
    const exchange = new H1ServerExchange(this, undefined);
    this.#exchange = exchange;
    exchange.refuse(refusal, NO_SAFE_FIELDS);
    this.#options.onRefused({ refusal, protocol: "1.1", raw, answered: true });
  }

  // Ends.

  /** Sends our end, and drops what still comes until the client has sent its own, so that no reset takes our answer from it. */
  #finishSocket(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#parser.stop();
    this.#ahead.forget();
    this.#reading.clear();
    this.writer.flush();
    // What is written may take the client long, but not for ever; only then it has so long to read it and to end.
    this.#stall.set(this.#options.timeouts.writeStallMs);
    this.#socket.end(() => {
      this.#stall.clear();
      if (this.#state === "closing") this.#reading.set(LINGER_MS);
    });
    this.#socket.resume();
  }

  #drop(bytes: number): void {
    this.#lingered += bytes;
    if (this.#lingered > LINGER_BYTES) this.#close();
  }

  #end(cause: AbortCause): void {
    const { events, responded } = this.#exchange ?? {};
    this.#exchange = undefined;
    this.#close(responded === true ? "reset" : "destroy");
    events?.aborted(cause);
  }

  /** A response that was cut is reset: over TLS a mere end looks like that of a body which ends with its connection. */
  #close(how: "destroy" | "reset" = "destroy"): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#parser.stop();
    this.#ahead.forget();
    this.#reading.release();
    this.#stall.release();
    this.writer.discard();
    if (how === "reset") resetConnection(this.#socket);
    else this.#socket.destroy();
  }
}

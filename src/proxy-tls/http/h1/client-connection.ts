// The client's side of an HTTP/1.1 connection to a target: one exchange at a time. Bytes that no exchange asked for end it. It may be used
// again only where request and response both ended as announced, nothing is left over, and neither side said close.
import type { Socket } from "node:net";
import { Deadline } from "../deadlines.ts";
import type { ClientEngineOptions } from "../engine-options.ts";
import type {
  AbortCause,
  ClientEvents,
  ClientExchange,
  FieldList,
  HttpClientConnection,
  RequestHead,
} from "../exchange.ts";
import { NO_SAFE_FIELDS } from "../fields/safe-fields.ts";
import { screenInterim, screenResponse } from "../fields/screen-response.ts";
import { screenTrailers } from "../fields/screen-trailers.ts";
import type { RawResponseHead } from "../raw-head.ts";
import { RefusedError } from "../refusal.ts";
import { type CarryingConnection, H1ClientExchange } from "./client-exchange.ts";
import { isGone, PAUSED_CHECK_MS } from "./connection-gone.ts";
import { writeRequestHead } from "./head-writer.ts";
import { ResponseParser } from "./response-parser.ts";
import { TurnWriter } from "./turn-writer.ts";

export interface H1ClientOptions extends ClientEngineOptions {
  /** Whether a response may end with the connection: only from a local target in plaintext. */
  readonly untilClose: "allow" | "refuse";
}

/** An HTTP/1.1 client on a connected and verified socket. */
export class H1ClientConnection implements HttpClientConnection, CarryingConnection {
  readonly protocol = "http/1.1";
  readonly #socket: Socket;
  readonly #options: H1ClientOptions;
  readonly #parser: ResponseParser;
  readonly #writer: TurnWriter;
  readonly #reading: Deadline;
  readonly #stall: Deadline;
  #exchange: H1ClientExchange | undefined;
  #draining = false;
  /** The response's taker asks for a pause. */
  #paused = false;
  #closed = false;

  constructor(socket: Socket, options: H1ClientOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#writer = new TurnWriter(socket);
    this.#parser = new ResponseParser(
      {
        interim: (raw) => this.#onInterim(raw),
        head: (raw) => this.#onHead(raw),
        data: (chunk) => this.#onBody(chunk),
        end: (trailers) => this.#onResponseEnd(trailers),
        refused: (refusal) => this.#fail({ kind: "malformed", refusal }),
      },
      options,
    );
    this.#reading = new Deadline(options.wheel, () => this.#onReadingExpired());
    this.#stall = new Deadline(options.wheel, () => this.#fail({ kind: "timeout", deadline: "write-stall" }));
    socket.on("data", (chunk: Buffer) => this.#guarded(() => this.#onData(chunk)));
    socket.on("end", () => this.#guarded(() => this.#onEnd()));
    socket.on("drain", () => this.#guarded(() => this.#onDrain()));
    socket.on("close", () => this.#guarded(() => this.#fail({ kind: "peer-gone" })));
    socket.on("error", () => {});
  }

  get capacity(): number {
    return this.#exchange === undefined && !this.#draining && !this.#closed ? 1 : 0;
  }

  get active(): number {
    return this.#exchange === undefined ? 0 : 1;
  }

  request(head: RequestHead, events: ClientEvents): ClientExchange {
    if (this.capacity === 0) throw new TypeError("a connection without capacity was given a request");
    const exchange = new H1ClientExchange(this, head, events);
    this.#exchange = exchange;
    this.#parser.expect(head.method);
    this.#writer.add(writeRequestHead(head));
    if (head.body.kind === "none" || (head.body.kind === "length" && head.body.bytes === 0)) this.#writer.flush();
    return exchange;
  }

  drain(): void {
    this.#draining = true;
    if (this.#exchange === undefined) this.#close();
  }

  destroy(reason: string): void {
    this.#fail({ kind: "closed", reason });
  }

  // What the exchange calls.

  write(part: string | Uint8Array, more = false): boolean {
    const accepted = this.#writer.add(part, more);
    if (!accepted && !this.#stall.isSet) this.#stall.set(this.#options.timeouts.writeStallMs);
    return accepted;
  }

  requestEnded(): void {
    this.#writer.flush();
  }

  /** The response has ended too. */
  finished(reusable: boolean): void {
    const socket = this.#socket;
    this.#exchange = undefined;
    this.#paused = false;
    this.#reading.clear();
    if (!reusable || this.#draining || this.#closed) {
      this.#close();
      return;
    }
    // Read while its taker asked for a pause.
    if (socket.readableLength > 0) {
      this.#unasked();
      return;
    }
    if (socket.readableFlowing === false) socket.resume();
    this.#options.onIdle();
  }

  abort(): void {
    this.#exchange = undefined;
    this.#close();
  }

  pauseReading(): void {
    this.#paused = true;
    this.#reading.set(PAUSED_CHECK_MS);
    this.#socket.pause();
  }

  resumeReading(): void {
    if (this.#closed) return;
    this.#paused = false;
    this.#reading.set(this.#options.timeouts.streamIdleMs);
    this.#socket.resume();
  }

  // What comes from the socket.

  /** A fault of ours ends this connection and nothing else. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onFault(error);
      this.#fail({ kind: "closed", reason: "internal" });
    }
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    if (this.#exchange === undefined) {
      this.#unasked();
      return;
    }
    this.#exchange.received = true;
    // Once: what is behind this response is the answer to nothing, even if the next request was begun at its end.
    const offset = this.#parser.execute(chunk, 0);
    if (offset < chunk.length && !this.#closed) this.#unasked();
  }

  /** Nobody asked for these bytes: whoever would be given this connection could take them for the answer. */
  #unasked(): void {
    this.#options.count("idle-upstream-bytes");
    this.#fail({ kind: "peer-gone" });
  }

  #onEnd(): void {
    // Nothing came: the target closed a connection that it took for idle.
    if (this.#exchange?.received === true) this.#parser.eof();
    this.#fail({ kind: "peer-gone" });
  }

  #onReadingExpired(): void {
    if (!this.#paused) this.#fail({ kind: "timeout", deadline: "body-idle" });
    // Nothing is read, so that nothing is heard of the target's end.
    else if (isGone(this.#socket)) this.#fail({ kind: "peer-gone" });
    else this.#reading.set(PAUSED_CHECK_MS);
  }

  #onDrain(): void {
    this.#stall.clear();
    this.#exchange?.unblock();
  }

  // What the codec tells.

  #onInterim(raw: RawResponseHead): void {
    const { status } = raw;
    if (status === 100) this.#exchange?.events.interim(100, NO_SAFE_FIELDS);
    if (status !== 103) return;
    this.#refusing(() => this.#exchange?.events.interim(103, screenInterim(raw, this.#options.rules)));
  }

  #onHead(raw: RawResponseHead): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#refusing(() => {
      const head = screenResponse(raw, this.#options.rules);
      // Whoever answers before he had the whole request may take the rest of it for the next one.
      exchange.responseClose = head.close || !exchange.requestEnded || this.#socket.writableLength > 0;
      if (head.body.kind !== "none") this.#reading.set(this.#options.timeouts.streamIdleMs);
      exchange.events.head(head);
    });
  }

  #onBody(chunk: Uint8Array): void {
    if (this.#exchange === undefined) return;
    if (this.#reading.isSet && !this.#paused) this.#reading.set(this.#options.timeouts.streamIdleMs);
    this.#exchange.events.data(chunk);
  }

  #onResponseEnd(raw: FieldList): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.#refusing(() => exchange.responseEnded(screenTrailers(raw, this.#options.rules)));
  }

  /** What the screens refuse ends the connection. */
  #refusing(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#fail({ kind: "malformed", refusal: error.refusal });
    }
  }

  // Ends.

  #fail(cause: AbortCause): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#close();
    exchange?.failed(cause);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parser.stop();
    this.#reading.release();
    this.#stall.release();
    this.#writer.discard();
    this.#socket.destroy();
    this.#options.onClosed();
  }
}

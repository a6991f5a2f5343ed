// A connection on its socket, for every end of ours that speaks HTTP/2: what comes is read, drains are told, what our own side throws ends the
// connection and not the process, and it ends in one order. It is handed a connected socket and opens none; who may be on the other side, and
// what a stream means, is not its business.
//
//   open -> finishing (all is written, and the end behind it; what still comes is dropped) -> closed
import type { Socket } from "node:net";
import type { Http2Connection } from "../connection.ts";

/** How long a peer may take to read what is before the end, and to close. */
const LINGER_MS = 2_000;

/** Whose connection it is. @typeParam Why its reasons for an end */
export interface SocketOwner<Why> {
  /** What came in one read was taken. */
  onRead(): void;
  /** The peer has ended or closed: to be answered with `end`. */
  onPeerGone(): void;
  /** Our own side threw: to be told to whom it concerns, and answered with `end`. */
  fault(error: unknown): void;
  /** The connection ends: every stream is to be told. */
  cut(why: Why): void;
  /** It has ended. Once. */
  onClosed(): void;
}

export class SocketDriver<Why> {
  readonly #socket: Socket;
  readonly #http2: Http2Connection;
  readonly #owner: SocketOwner<Why>;
  #state: "open" | "finishing" | "closed" = "open";
  #finishedAt = 0;

  /** @param socket nothing else may read from or write to it afterwards */
  constructor(socket: Socket, http2: Http2Connection, owner: SocketOwner<Why>) {
    this.#socket = socket;
    this.#http2 = http2;
    this.#owner = owner;
    const gone = (): void => this.#gone();
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("error", ignore);
    socket.on("end", gone);
    socket.on("close", gone);
    // Gone before we listened: no event will tell.
    if (socket.destroyed || socket.readableEnded) process.nextTick(gone);
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isFinishing(): boolean {
    return this.#state === "finishing";
  }

  /** Whether the peer takes too long behind `finish`. @param now monotonic milliseconds */
  isOverdue(now: number): boolean {
    return this.#state === "finishing" && now - this.#finishedAt > LINGER_MS;
  }

  /** Bytes came. To be called by whoever read some before there was a driver. */
  receive(chunk: Buffer): void {
    try {
      this.#http2.receive(chunk);
      this.#owner.onRead();
    } catch (error) {
      this.#owner.fault(error);
    }
  }

  /** Writes the end behind all that was written. The peer may take its time to read what is before it. */
  finish(): void {
    if (this.#state !== "open") return;
    this.#state = "finishing";
    this.#finishedAt = performance.now();
    this.#http2.stop();
    this.#socket.end();
  }

  /** Ends it at once. What was written leaves first, if the peer takes it at once. */
  end(why: Why): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    // First the streams: what ended with its connection alone could look complete.
    try {
      this.#owner.cut(why);
    } catch (error) {
      this.#owner.fault(error);
    }
    this.#http2.stop();
    destroyBehindLastWords(this.#socket);
    this.#owner.onClosed();
  }

  #drained(): void {
    try {
      this.#http2.drained();
    } catch (error) {
      this.#owner.fault(error);
    }
  }

  #gone(): void {
    if (this.#state !== "closed") this.#owner.onPeerGone();
  }
}

/** An error is followed by the end. */
function ignore(): void {}

/** Over TLS a write waits for the one before it, which is under way until the end of the turn: destroyed at once, a socket forgets it. */
function destroyBehindLastWords(socket: Socket): void {
  if (socket.destroyed || socket.writableLength === 0) socket.destroy();
  else setImmediate(() => socket.destroy());
}

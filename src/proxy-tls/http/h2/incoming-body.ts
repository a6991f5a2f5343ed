// The body that comes in on an HTTP/2 stream: a request's or a response's. node:http2 reports what was cut off (RST_STREAM, GOAWAY, the
// connection's end in the middle) like a normal end, so that `end` and `close` events tell nothing here. A body is complete only if
// END_STREAM came: then, and only then, the stream is not yet closed when its source first says that nothing more comes. Chunks are
// taken at that same place, past the buffers of node's Readable; a test notices when node pushes them elsewhere.
import type { Http2Stream } from "node:http2";
import type { FrameBudget } from "./frame-budget.ts";

/** Why a body is not whole. */
export type BrokenBody = "truncated" | "body-shorter-than-length" | "body-longer-than-length";

export interface BodySink {
  data(chunk: Uint8Array): void;
  /** END_STREAM came, and every byte before it was delivered. */
  complete(): void;
  /** Told in the next tick, paused or not. */
  broken(why: BrokenBody): void;
}

const UNKNOWN = -1;

export class IncomingBody {
  readonly #stream: Http2Stream;
  readonly #sink: BodySink;
  readonly #budget: FrameBudget;
  /** Bytes that content-length announced. */
  #expected = UNKNOWN;
  #bytes = 0;
  /** What comes with the head in one read must wait for the head. */
  #begun = false;
  #paused = false;
  #waiting: Uint8Array[] = [];
  #ended = false;
  #over = false;

  /** Takes the stream's source over. To be made before any of the body can have come, or in the 'stream' event of a server. */
  constructor(stream: Http2Stream, sink: BodySink, budget: FrameBudget) {
    this.#stream = stream;
    this.#sink = sink;
    this.#budget = budget;
    const { push } = stream;
    // Not a literal on the right of the assignment: V8 allocates such a function among the old objects, and it would hold all this.
    const receive = (chunk: Uint8Array | null): boolean => {
      if (chunk !== null) return this.#receive(chunk);
      stream.push = push;
      this.#sourceEnded(!stream.closed);
      return Reflect.apply(push, stream, [null]);
    };
    stream.push = receive;
  }

  /** Every byte has come, though some may not be delivered yet. */
  get ended(): boolean {
    return this.#ended;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /**
   * Starts delivering, when the head was accepted.
   * @param expected what content-length announced
   */
  begin(expected: number | undefined): void {
    this.#expected = expected ?? UNKNOWN;
    // Flowing, so that node's own life cycle of the stream goes on; nothing of the body is in its buffers.
    this.#stream.resume();
    this.#begun = true;
    this.#flow();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    if (this.#begun) this.#flow();
  }

  #flow(): void {
    while (this.#waiting.length > 0 && !this.#paused && !this.#over) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) continue;
      this.#budget.taken();
      this.#deliver(chunk);
    }
    if (this.#paused || this.#over) return;
    if (this.#ended) process.nextTick(() => this.#finish());
    else if (!this.#stream.destroyed) this.#stream._read(0);
  }

  /** Nothing more is told. */
  stop(): void {
    if (!this.#over && !this.#ended && !this.#stream.closed) this.#budget.unwanted();
    this.#over = true;
    this.#waiting = [];
  }

  /**
   * Takes what came before this object was made, on a server: bytes that were read before the session began (an unshifted preface) are
   * handed to nghttp2 in one go, and their body with them. To be called before `begin`.
   */
  takeEarlier(): void {
    const stream = this.#stream;
    if (this.#ended || this.#over) return;
    if (stream.closed) {
      this.#sourceEnded(false);
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let chunk: Uint8Array | null = stream.read(); chunk !== null; chunk = stream.read()) {
      this.#budget.waits(chunk.length);
      this.#waiting.push(chunk);
    }
    this.#waiting.push(...waiting);
    stream.once("end", () => this.#sourceEnded(true));
  }

  #receive(chunk: Uint8Array): boolean {
    // Dropped, and taken off the window, so that the other streams go on.
    if (this.#over) return true;
    if (this.#paused || !this.#begun) {
      this.#budget.waits(chunk.length);
      this.#waiting.push(chunk);
      return false;
    }
    this.#budget.piece(chunk.length);
    this.#deliver(chunk);
    return !this.#paused;
  }

  #deliver(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#expected !== UNKNOWN && this.#bytes > this.#expected) this.#break("body-longer-than-length");
    else this.#sink.data(chunk);
  }

  #sourceEnded(complete: boolean): void {
    if (this.#ended || this.#over) return;
    if (!complete) {
      this.stop();
      // Not here: node goes on with the stream, and throws where it was destroyed meanwhile.
      process.nextTick(() => this.#sink.broken("truncated"));
      return;
    }
    this.#ended = true;
    // Trailers are told by an event of the next tick.
    if (this.#begun && !this.#paused) process.nextTick(() => this.#finish());
  }

  #finish(): void {
    if (this.#over || this.#paused || this.#waiting.length > 0) return;
    if (this.#expected !== UNKNOWN && this.#bytes !== this.#expected) {
      this.#break("body-shorter-than-length");
      return;
    }
    this.#over = true;
    this.#sink.complete();
  }

  #break(why: BrokenBody): void {
    this.stop();
    this.#sink.broken(why);
  }
}

// What a connection has to send, collected over one turn of the event loop: heads, pieces and control frames of many streams leave in one
// write, which is one TLS record and one system call instead of many. Frames are written into memory that all connections share and nobody
// writes twice, so that a frame is copied once at most.
import type { ByteSink } from "./sink.ts";

const SLAB_BYTES = 64 * 1024;
/** A piece of a body up to this size is copied beside its frame's header; a larger one is handed on as it is. */
const COPIED_PIECE_BYTES = 2 * 1024;
/** Up to this much leaves as one buffer; more as one write of several. */
const JOINED_BYTES = 16 * 1024;

/** What an Output holds that has nothing to send: not the memory that it wrote in last. */
const NO_SLAB = Buffer.alloc(0);

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabUsed = 0;

/** Whose output leaves at the end of this turn. */
let waiting: Output[] = [];

function flushAll(): void {
  const outputs = waiting;
  waiting = [];
  for (const output of outputs) output.flush();
}

function joined(segments: readonly Uint8Array[], bytes: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const segment of segments) {
    whole.set(segment, at);
    at += segment.length;
  }
  return whole;
}

export class Output {
  readonly #sink: ByteSink;
  /** What is closed, in order; behind it the open segment of #slab from #start to #end. */
  #segments: Uint8Array[] = [];
  #slab: Buffer = NO_SLAB;
  #start = 0;
  #end = 0;
  #bytes = 0;
  #scheduled = false;
  #epoch = 0;
  #closed = false;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Changes when what was written so far leaves, or `memory` does: what was reserved in another epoch must not be touched. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Bodies have to wait until the sink has drained. */
  get full(): boolean {
    // No other mark than the sink's own: what is written at once and reaches it makes the sink tell when it has drained.
    const { writableNeedDrain, writableHighWaterMark } = this.#sink;
    return writableNeedDrain || this.#bytes >= writableHighWaterMark;
  }

  /** Bytes that are collected here or wait in the sink. */
  get backlog(): number {
    return this.#bytes + this.#sink.writableLength;
  }

  /** The memory that `reserve` reserved in. */
  get memory(): Buffer {
    return this.#slab;
  }

  /**
   * Room for `bytes` bytes in `memory`, to be written at once; `commit` says how many they were.
   * @returns where it begins
   */
  reserve(bytes: number): number {
    if (this.#slab !== slab || this.#end !== slabUsed || slabUsed + bytes > slab.length) {
      this.#closeSegment();
      if (slabUsed + bytes > slab.length) {
        slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
        slabUsed = 0;
      }
      if (this.#slab !== slab) this.#epoch += 1;
      this.#slab = slab;
      this.#start = slabUsed;
      this.#end = slabUsed;
    }
    return this.#end;
  }

  /** Adds what was written behind the last `reserve`, up to `end`. */
  commit(end: number): void {
    this.#bytes += end - this.#end;
    this.#end = end;
    slabUsed = end;
    if (!this.#scheduled) this.#schedule();
  }

  /** Adds a piece of a body behind the last commit. It must not change any more. */
  add(piece: Uint8Array): void {
    if (piece.length <= COPIED_PIECE_BYTES) {
      const start = this.reserve(piece.length);
      this.#slab.set(piece, start);
      this.commit(start + piece.length);
      return;
    }
    this.#closeSegment();
    this.#segments.push(piece);
    this.#bytes += piece.length;
    if (!this.#scheduled) this.#schedule();
  }

  /** Writes what was collected, and nothing that comes behind it: the sink may have been ended. */
  close(): void {
    this.flush();
    this.#closed = true;
  }

  /** Writes what was collected. */
  flush(): void {
    this.#scheduled = false;
    this.#epoch += 1;
    this.#closeSegment();
    this.#slab = NO_SLAB;
    this.#start = 0;
    this.#end = 0;
    const segments = this.#segments;
    const bytes = this.#bytes;
    const [first] = segments;
    const sink = this.#sink;
    if (first === undefined) return;
    this.#segments = [];
    this.#bytes = 0;
    if (this.#closed || sink.destroyed) return;
    // What has to wait in the sink must not hold whole slabs for its few bytes.
    if (segments.length === 1 && (sink.writableLength === 0 || bytes > JOINED_BYTES)) sink.write(first);
    else if (bytes <= JOINED_BYTES) sink.write(joined(segments, bytes));
    else {
      sink.cork();
      for (const segment of segments) sink.write(segment);
      sink.uncork();
    }
  }

  #closeSegment(): void {
    if (this.#end > this.#start) this.#segments.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #schedule(): void {
    this.#scheduled = true;
    if (waiting.push(this) === 1) setImmediate(flushAll);
  }
}

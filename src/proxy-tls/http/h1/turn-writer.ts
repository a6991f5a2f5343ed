// Collects what is written to a socket within one turn of the event loop, so that a head, a chunk and its framing leave in one write:
// one TLS record and one system call instead of several.
import type { Writable } from "node:stream";

/** Up to this much is copied into one buffer; more is handed to the socket in its pieces, as one write of several buffers. */
const MAX_COPIED_BYTES = 16 * 1024;
/** A whole TLS record has company in the same turn, each of which runs its ticks. A plain socket gives as much as there is at once. */
const RECORD_BYTES = 16 * 1024;
/** What is collected at most. */
const MAX_COLLECTED_BYTES = 64 * 1024;

export class TurnWriter {
  readonly #socket: Writable;
  readonly #flushLater = (): void => {
    this.#scheduled = false;
    this.flush();
  };
  /** Latin1 text and bytes, in order. */
  #parts: (string | Uint8Array)[] = [];
  #bytes = 0;
  #scheduled = false;

  constructor(socket: Writable) {
    this.#socket = socket;
  }

  /**
   * Adds latin1 text or bytes; they leave at the end of this turn, or with `flush`.
   * @param more they are to leave together with what is added next
   * @returns false: the socket asks to wait for `drain`
   */
  add(part: string | Uint8Array, more = false): boolean {
    if (part.length === 0) return !this.#socket.writableNeedDrain;
    this.#parts.push(part);
    this.#bytes += part.length;
    if (this.#bytes >= MAX_COLLECTED_BYTES && !more) return this.flush();
    if (!this.#scheduled) {
      this.#scheduled = true;
      if (part.length === RECORD_BYTES) setImmediate(this.#flushLater);
      else process.nextTick(this.#flushLater);
    }
    return !this.#socket.writableNeedDrain;
  }

  /** Writes what was collected. @returns false: the socket asks to wait for `drain` */
  flush(): boolean {
    const parts = this.#parts;
    const [first] = parts;
    const socket = this.#socket;
    if (first === undefined || socket.destroyed) return !socket.writableNeedDrain;
    const bytes = this.#bytes;
    this.discard();
    if (parts.length === 1) return write(socket, first);
    if (bytes <= MAX_COPIED_BYTES) return socket.write(joined(parts, bytes));
    socket.cork();
    for (const part of parts) write(socket, part);
    socket.uncork();
    return !socket.writableNeedDrain;
  }

  /** Forgets what was collected and not yet written. */
  discard(): void {
    this.#parts = [];
    this.#bytes = 0;
  }
}

function write(socket: Writable, part: string | Uint8Array): boolean {
  return typeof part === "string" ? socket.write(part, "latin1") : socket.write(part);
}

function joined(parts: readonly (string | Uint8Array)[], bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  let offset = 0;
  for (const part of parts) {
    if (typeof part === "string") buffer.write(part, offset, "latin1");
    else buffer.set(part, offset);
    offset += part.length;
  }
  return buffer;
}

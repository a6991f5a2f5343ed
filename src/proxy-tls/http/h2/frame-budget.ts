// What a peer may send without bringing a stream on. node:http2 stops resets, CONTINUATION and empty DATA; PING, SETTINGS, WINDOW_UPDATE,
// PRIORITY, padding and frames of unknown types it takes for ever. All of them are bytes: those that are no head, no body and not the
// acknowledgement of what we sent spend a budget that fills again slowly.

/** What a peer may have sent for nothing. */
const BUDGET_BYTES = 256 * 1024;
/** How fast it fills: hundreds of pings a second. */
const REFILL_BYTES_PER_MS = 16;
/** Beside the size of a list: the frame's header, and what comes with a request (priority, window updates). */
const PER_HEAD = 128;
/** Beside the bytes of a piece of a body: the frame's header and a little padding. */
const PER_PIECE = 32;
/** A receiver tells of every few KiB that it took: 13 bytes each, twice. */
const PER_SENT_PIECE = 64;
const SENT_BYTES_PER_BYTE = 8;
/** What may be under way on a stream: we leave its window at its default (RFC 9113 section 6.9.2). */
const WINDOW_BYTES = 65_535;

export class FrameBudget {
  #seen = 0;
  #allowed = 0;
  #spent = 0;

  /** A head of this size came. */
  head(bytes: number): void {
    this.#allowed += bytes + PER_HEAD;
  }

  /** A piece of a body came, and was taken. */
  piece(bytes: number): void {
    this.#allowed += bytes + PER_PIECE;
  }

  /** A piece of a body came, and waits to be taken. Its frame counts until then: many small ones cost far more than their bytes. */
  waits(bytes: number): void {
    this.#allowed += bytes;
  }

  /** A piece that waited was taken. */
  taken(): void {
    this.#allowed += PER_PIECE;
  }

  /** The rest of a body is not wanted: its sender has a window of it under way until it hears so. */
  unwanted(): void {
    this.#allowed += WINDOW_BYTES;
  }

  /** A piece of a body was sent. */
  sent(bytes: number): void {
    this.#allowed += bytes / SENT_BYTES_PER_BYTE + PER_SENT_PIECE;
  }

  /** Something cheap to send and dear to receive came: it counts as that many bytes. */
  charge(bytes: number): void {
    this.#spent += bytes;
  }

  /**
   * @param bytesRead all that the connection has received
   * @param elapsedMs since the last call
   * @returns whether it is spent
   */
  isSpent(bytesRead: number, elapsedMs: number): boolean {
    const useless = bytesRead - this.#seen - this.#allowed;
    this.#seen = bytesRead;
    this.#allowed = 0;
    this.#spent = Math.max(0, this.#spent + useless - elapsedMs * REFILL_BYTES_PER_MS);
    return this.#spent > BUDGET_BYTES;
  }
}

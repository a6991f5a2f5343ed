// Gathers the pieces of a bulk transfer that arrive in one turn of the event loop into one write. TLS gives at most 16 KiB at a time, and
// without Nagle's algorithm each write is a packet of its own: four system calls and four packets where one does. What is
// shorter is nobody's bulk, and leaves at once.
import type { Socket } from "node:net";

/** A whole TLS record: whoever fills it has more to say. A plain socket gives as much as there is at once. */
const RECORD_BYTES = 16 * 1024;

export class TurnCork {
  readonly #socket: Socket;
  /** At the end of the turn; ticks run after each record. */
  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket.uncork();
  };
  #corked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @returns false: the socket asks to wait for `drain` */
  write(chunk: Uint8Array): boolean {
    if (!this.#corked && chunk.length === RECORD_BYTES) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(this.#uncork);
    }
    return this.#socket.write(chunk);
  }
}

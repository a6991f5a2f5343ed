// How long a peer has taken nothing of what is written: whoever reads slowly is told from one who does not read.
import type { Socket } from "node:net";

export class WriteStall {
  readonly #socket: Socket;
  #taken = 0;
  #since: number | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /**
   * To be asked again and again.
   * @param now monotonic milliseconds
   * @returns for how long the peer has taken nothing of what waits; 0: nothing waits, or it takes some
   */
  lastsMs(now: number): number {
    const { writableNeedDrain, writableLength, bytesWritten } = this.#socket;
    const taken = bytesWritten - writableLength;
    if (taken !== this.#taken || this.#since === undefined) {
      this.#taken = taken;
      this.#since = writableNeedDrain ? now : undefined;
      return 0;
    }
    return now - this.#since;
  }
}

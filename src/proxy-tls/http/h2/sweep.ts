// Looks at an HTTP/2 connection every quarter of a second: what is overdue on it, and on its streams. One deadline for all of them.
import type { Socket } from "node:net";
import { Deadline, type DeadlineWheel } from "../deadlines.ts";

const SWEEP_MS = 250;

export class Sweep {
  /** Coarse monotonic milliseconds, of the last look. */
  now = performance.now();
  readonly #deadline: Deadline;
  readonly #everyMs: number;
  readonly #onSweep: (elapsedMs: number) => void;
  #stopped = false;

  /**
   * @param deadlinesMs what is looked at; 0: no deadline. A short one is looked at more often
   * @param onSweep is told how long ago the last look was
   */
  constructor(wheel: DeadlineWheel, deadlinesMs: readonly number[], onSweep: (elapsedMs: number) => void) {
    this.#everyMs = Math.min(SWEEP_MS, ...deadlinesMs.map((ms) => ms / 4 || SWEEP_MS));
    this.#onSweep = onSweep;
    this.#deadline = new Deadline(wheel, () => this.#look());
    this.#deadline.set(this.#everyMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#deadline.release();
  }

  #look(): void {
    const now = performance.now();
    const elapsedMs = now - this.now;
    this.now = now;
    this.#onSweep(elapsedMs);
    if (!this.#stopped) this.#deadline.set(this.#everyMs);
  }
}

/** Whether a socket's peer takes what is written. */
export class WriteStall {
  readonly #socket: Socket;
  #taken = 0;
  #since: number | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @returns for how long the peer has taken nothing of what waits; 0: nothing waits, or it takes some */
  lastsMs(now: number): number {
    const { writableNeedDrain, writableLength, bytesWritten } = this.#socket;
    const taken = bytesWritten - writableLength;
    if (!writableNeedDrain || taken !== this.#taken || this.#since === undefined) {
      this.#taken = taken;
      this.#since = writableNeedDrain ? now : undefined;
      return 0;
    }
    return now - this.#since;
  }
}

/** Destroys a socket. What was written in this turn leaves first, if the peer takes it at once. */
export function destroyBehindLastWords(socket: Socket): void {
  if (socket.destroyed || socket.writableLength === 0) socket.destroy();
  else setImmediate(() => socket.destroy());
}

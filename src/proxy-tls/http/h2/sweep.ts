// Looks at an HTTP/2 connection every quarter of a second: what is overdue on it, and on its streams. One deadline for all of them.
import { Deadline, type DeadlineWheel } from "../deadlines.ts";

const SWEEP_MS = 250;

/** The connection that is looked at. */
export interface SweepOwner {
  /** @param elapsedMs since the last look */
  onSweep(elapsedMs: number): void;
  /** What a look threw. */
  fault(error: unknown): void;
}

export class Sweep {
  /** Coarse monotonic milliseconds, of the last look. */
  now = performance.now();
  readonly #deadline: Deadline;
  readonly #everyMs: number;
  readonly #owner: SweepOwner;
  #stopped = false;

  /** @param deadlinesMs what is looked at; 0: no deadline. A short one is looked at more often */
  constructor(wheel: DeadlineWheel, deadlinesMs: readonly number[], owner: SweepOwner) {
    this.#everyMs = Math.min(SWEEP_MS, ...deadlinesMs.map((ms) => ms / 4 || SWEEP_MS));
    this.#owner = owner;
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
    try {
      this.#owner.onSweep(elapsedMs);
    } catch (error) {
      this.#owner.fault(error);
    }
    if (!this.#stopped) this.#deadline.set(this.#everyMs);
  }
}

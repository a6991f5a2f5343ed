// A bound on log lines of one kind that outsiders can cause: whoever can be refused a thousand times a second must not be able to fill
// the disk with it. The first ones are written whole; what is left out is counted, and the next line tells how many.
import type { Clock } from "./clock.ts";

export interface LineRate {
  /** Lines at once. */
  readonly burst: number;
  /** Lines in the long run. */
  readonly perSecond: number;
}

export class LineAllowance {
  readonly #rate: LineRate;
  readonly #clock: Clock;
  #lines: number;
  #filledAt: number;
  #leftOut = 0;

  constructor(rate: LineRate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
    this.#lines = rate.burst;
    this.#filledAt = clock.now();
  }

  /** How many lines were left out before this one; undefined: leave it out, too. A clock that goes back gives no line. */
  take(): number | undefined {
    const now = this.#clock.now();
    const elapsedSeconds = Math.max(0, now - this.#filledAt) / 1000;
    this.#filledAt = now;
    this.#lines = Math.min(this.#rate.burst, this.#lines + elapsedSeconds * this.#rate.perSecond);
    if (this.#lines < 1) {
      this.#leftOut += 1;
      return undefined;
    }
    this.#lines -= 1;
    return this.takeLeftOut();
  }

  /** How many lines were left out since this was last told. */
  takeLeftOut(): number {
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}

// Tells the moment at which an identity ends: one that has expired is shown to nobody, and nobody may have to ask for that.
import type { SchedulingClock } from "../../identity-client/index.ts";

export class ExpiryWatch {
  readonly #clock: SchedulingClock;
  readonly #expired: () => void;
  #cancel: () => void = () => {};

  constructor(clock: SchedulingClock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** Watches this one instead; undefined: none. `notAfter` is the last moment of validity, Unix milliseconds. */
  watch(notAfter: number | undefined): void {
    this.#cancel();
    this.#cancel = notAfter === undefined ? () => {} : this.#clock.at(notAfter + 1, this.#expired);
  }
}

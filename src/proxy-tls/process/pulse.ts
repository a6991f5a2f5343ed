// Notices a process that no longer answers: one in a loop, stopped, or stuck in a system call. It still holds its share of the connections
// that come in, and nobody else would serve them.

/** Two questions without an answer: where this process itself was stopped, only one can have been asked in vain. */
const LOST_AFTER = 2;

export interface PulseOptions {
  /** How often it is asked, in milliseconds. */
  readonly everyMs: number;
  ask(): void;
  /** It has answered nothing for two to three times `everyMs`. Called once. */
  onLost(): void;
}

export class Pulse {
  readonly #options: PulseOptions;
  readonly #timer: NodeJS.Timeout;
  #unanswered = 0;

  constructor(options: PulseOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(), options.everyMs);
    this.#timer.unref();
  }

  answered(): void {
    this.#unanswered = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    if (this.#unanswered === LOST_AFTER) {
      this.stop();
      this.#options.onLost();
      return;
    }
    this.#unanswered += 1;
    this.#options.ask();
  }
}

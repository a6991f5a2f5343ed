// Tells the server which revision of trust this client has taken over, so that operators see who lags behind. Nothing waits for it
// and nothing depends on it: what fails is tried again with a later message, and a server that does not know it is asked no more.
import type { RandomSource } from "../runtime/index.ts";
import { randomFraction } from "./backoff.ts";
import type { SchedulingClock } from "./scheduling-clock.ts";
import { isTransient } from "./server-error.ts";

/** A change reaches everybody at once: their answers are spread over this time. */
const SPREAD_MS = 4_000;

export interface AcknowledgerOptions {
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  /** Over the connection of the stream. */
  send(revision: bigint): Promise<void>;
}

/** For the life of one stream. */
export class Acknowledger {
  readonly #options: AcknowledgerOptions;
  #taken = 0n;
  #told = 0n;
  #cancel: (() => void) | undefined;
  #useless = false;

  constructor(options: AcknowledgerOptions) {
    this.#options = options;
  }

  /** This revision is in force here. Told in a moment, together with what comes until then. */
  taken(revision: bigint): void {
    this.#taken = revision;
    if (this.#useless || this.#cancel !== undefined || this.#told === revision) return;
    const { clock, random } = this.#options;
    this.#cancel = clock.at(clock.now() + SPREAD_MS * randomFraction(random), () => void this.#tell());
  }

  close(): void {
    this.#useless = true;
    this.#cancel?.();
  }

  async #tell(): Promise<void> {
    const revision = this.#taken;
    try {
      await this.#options.send(revision);
      this.#told = revision;
    } catch (error) {
      if (!(error instanceof Error && isTransient(error))) this.#useless = true;
    }
    this.#cancel = undefined;
    // A change that came meanwhile. What failed waits for the next message.
    if (this.#told === revision && this.#taken !== revision) this.taken(this.#taken);
  }
}

// Counts refused connections by code and writes a line for them, at a bounded rate: whoever can be refused a thousand times a
// second must not be able to fill the disk with it. Every line says how many were left out before it.
import { type Clock, type Logger, MeshCaError } from "../runtime/index.ts";

/** The event of every refused connection. */
const TLS_REFUSED = "tls.refused";

const BURST_LINES = 20;
const LINES_PER_SECOND = 10;

export class Refusals {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #counts = new Map<string, number>();
  #lines = BURST_LINES;
  #filledAt: number;
  #leftOut = 0;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
    this.#filledAt = clock.now();
  }

  /** Refusals so far, by code (`internal` for our own faults). */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Counts one refusal. An error that is not a MeshCaError is a fault of ours and always logged in full. */
  add(remoteAddress: string, error: unknown): void {
    const code = error instanceof MeshCaError ? error.code : "internal";
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    if (!(error instanceof MeshCaError)) {
      this.#logger.error(
        { event: TLS_REFUSED, code, remoteAddress, error },
        "a connection was refused by a fault of ours",
      );
      return;
    }
    if (!this.#takeLine()) {
      this.#leftOut += 1;
      return;
    }
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    this.#logger.warn({ event: TLS_REFUSED, code, remoteAddress, leftOut }, error.message);
  }

  #takeLine(): boolean {
    const now = this.#clock.now();
    const elapsedSeconds = Math.max(0, now - this.#filledAt) / 1000;
    this.#filledAt = now;
    this.#lines = Math.min(BURST_LINES, this.#lines + elapsedSeconds * LINES_PER_SECOND);
    if (this.#lines < 1) return false;
    this.#lines -= 1;
    return true;
  }
}

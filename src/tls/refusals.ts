// Counts refused connections by code and writes a line for them, at a bounded rate: whoever can be refused a thousand times a
// second must not be able to fill the disk with it. Every line says how many were left out before it.
import { type Clock, LineAllowance, type Logger, MeshCaError } from "../runtime/index.ts";

/** The event of every refused connection. */
const TLS_REFUSED = "tls.refused";

const RATE = { burst: 20, perSecond: 10 };

export class Refusals {
  readonly #logger: Logger;
  readonly #counts = new Map<string, number>();
  readonly #lines: LineAllowance;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#lines = new LineAllowance(RATE, clock);
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
    const leftOut = this.#lines.take();
    if (leftOut === undefined) return;
    this.#logger.warn({ event: TLS_REFUSED, code, remoteAddress, leftOut }, error.message);
  }
}

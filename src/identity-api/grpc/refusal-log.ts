// The log lines of refused calls, at a bounded rate for each code: the first ones whole, then a line a second, and a count of what was
// left out. What tells of a theft is bounded for each caller, so that no flood of one hides another. An alarm is no line of this log: whoever
// raises one writes it himself, unbounded. The metric mesh_ca_calls_refused_total counts every refusal.
import { type Clock, LineAllowance, type Logger } from "../../runtime/index.ts";
import type { ErrorRow, KnownErrorCode } from "../errors.ts";

const EVENT = "call.refused";
const RATE = { burst: 20, perSecond: 1 };
/** Codes that tell of a theft: each caller, by name and address, has lines of its own. */
const BY_CALLER: ReadonlySet<string> = new Set<KnownErrorCode>([
  "MCA_LINEAGE_FROZEN",
  "MCA_SVID_REVOKED",
  "MCA_TOKEN_REDEEMED",
]);
/** So many callers at most have lines of their own; what is beyond shares one allowance. */
const MAX_CALLERS = 10_000;
/** How often counts are told whose code has not come again. */
const TELL_MS = 10_000;

export interface Refusal {
  readonly code: string;
  readonly method: string;
  /** SPIFFE ID, or "anonymous". */
  readonly peer: string;
  readonly address: string;
  readonly [name: string]: unknown;
}

export class RefusalLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #allowances = new Map<string, { readonly code: string; readonly lines: LineAllowance }>();
  readonly #teller: NodeJS.Timeout;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
    this.#teller = setInterval(() => this.tell(), TELL_MS);
    this.#teller.unref();
  }

  /** Writes the line of one refused call, or counts it. */
  write(level: ErrorRow["level"], refusal: Refusal, sentence: string): void {
    const leftOut = this.#allowanceOf(refusal).take();
    if (leftOut === undefined) return;
    this.#logger[level]({ event: EVENT, ...refusal, ...(leftOut === 0 ? {} : { leftOut }) }, sentence);
  }

  /** Tells the counts that no line has told yet. */
  tell(): void {
    for (const { code, lines } of this.#allowances.values()) {
      const leftOut = lines.takeLeftOut();
      if (leftOut > 0) {
        this.#logger.warn(
          { event: "call.refused_unlogged", code, leftOut },
          "refused calls that have no line of their own",
        );
      }
    }
  }

  close(): void {
    clearInterval(this.#teller);
    this.tell();
  }

  #allowanceOf({ code, peer, address }: Refusal): LineAllowance {
    const own = BY_CALLER.has(code) ? `${code} ${peer} ${address}` : code;
    const key = this.#allowances.has(own) || this.#allowances.size < MAX_CALLERS ? own : code;
    let allowance = this.#allowances.get(key);
    if (allowance === undefined) {
      allowance = { code, lines: new LineAllowance(RATE, this.#clock) };
      this.#allowances.set(key, allowance);
    }
    return allowance.lines;
  }
}

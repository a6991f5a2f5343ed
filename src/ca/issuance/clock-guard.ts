// No issuance while this machine's clock and the database's differ by more than the limit (invariant 7). The database is
// asked in the background; issuing looks at the last answer only, and asks again itself where that is too old to count
// (which is also what a clock that jumps looks like).
import { type Clock, formatTime, type Logger } from "../../runtime/index.ts";
import { IssuanceError } from "./errors.ts";

const CHECK_EVERY_MS = 5_000;
/** An answer older than this, by our own clock in either direction, says nothing. */
const ANSWER_COUNTS_MS = 30_000;

export interface ClockGuardOptions {
  readonly clock: Clock;
  /** The database's clock, Unix milliseconds. */
  readonly database: { databaseNow(): Promise<number> };
  readonly maxDifferenceSeconds: number;
  readonly logger: Logger;
}

/** Compares two clocks and remembers how they stand. */
export class ClockGuard {
  readonly #options: ClockGuardOptions;
  #differenceMs: number | undefined;
  #checkedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> | undefined;

  constructor(options: ClockGuardOptions) {
    this.#options = options;
  }

  /** Checks now and then every 5 s. Resolves after the first check, however it ended. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.#checkQuietly(), CHECK_EVERY_MS);
    this.#timer.unref();
    await this.#checkQuietly();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#checking?.catch(() => {});
  }

  /** How far our clock is ahead of the database's, milliseconds; undefined before the first answer. */
  get differenceMs(): number | undefined {
    return this.#differenceMs;
  }

  /** Asks the database now. Throws StoreError where it cannot be asked; the last answer stays. */
  async check(): Promise<void> {
    const { clock, database } = this.#options;
    const before = clock.now();
    const theirs = await database.databaseNow();
    const after = clock.now();
    // Their clock was read somewhere between: the middle is the best guess, and half the time it took its error.
    this.#differenceMs = (before + after) / 2 - theirs;
    this.#checkedAt = after;
  }

  /**
   * Undefined where the last answer counts and is good; otherwise a promise that settles when the clocks were compared.
   * @throws IssuanceError MCA_CLOCK_SKEW
   */
  require(): Promise<void> | undefined {
    const age = Math.abs(this.#options.clock.now() - this.#checkedAt);
    if (this.#differenceMs === undefined || age > ANSWER_COUNTS_MS) return this.#checkThenRequire();
    this.#requireNoProblem();
    return undefined;
  }

  async #checkThenRequire(): Promise<void> {
    this.#checking ??= this.check().finally(() => {
      this.#checking = undefined;
    });
    await this.#checking;
    this.#requireNoProblem();
  }

  #requireNoProblem(): void {
    const problem = this.problem();
    if (problem !== undefined) throw problem;
  }

  /** What the last answer says against issuing; undefined if nothing. Asks nobody. */
  problem(): IssuanceError | undefined {
    const { maxDifferenceSeconds, clock } = this.#options;
    const differenceMs = this.#differenceMs ?? 0;
    if (Math.abs(differenceMs) <= maxDifferenceSeconds * 1000) return undefined;
    const now = clock.now();
    const seconds = (differenceMs / 1000).toFixed(1);
    return new IssuanceError(
      "MCA_CLOCK_SKEW",
      `Nothing is issued: this server's clock says ${formatTime(now)}, the database's ${formatTime(Math.round(now - differenceMs))}, and at most ${maxDifferenceSeconds} s between them are tolerated. Mend time synchronisation (NTP) on both machines.`,
      { details: { differenceSeconds: seconds, limitSeconds: `${maxDifferenceSeconds}` } },
    );
  }

  async #checkQuietly(): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.check();
      if (this.problem() !== undefined) {
        logger.error(
          { event: "clock.skew", differenceMs: this.#differenceMs, alarm: true },
          "this machine's clock and the database's differ too much: nothing is issued",
        );
      }
    } catch (error) {
      logger.warn({ event: "clock.check_failed", error }, "the database's clock could not be read this time");
    }
  }
}

// How long to leave alone what has failed: longer each time, each thing for itself, and forgotten with its first success.

interface Failing {
  readonly failures: number;
  /** Unix milliseconds. */
  readonly until: number;
  readonly waitMs: number;
}

export class Backoff {
  readonly #firstMs: number;
  readonly #failing = new Map<string, Failing>();

  /** `firstMs`: half of what is waited after the first failure. */
  constructor(firstMs: number) {
    this.#firstMs = firstMs;
  }

  /** Failures in a row of whatever has failed most often. */
  get failures(): number {
    return Math.max(0, ...[...this.#failing.values()].map(({ failures }) => failures));
  }

  /** Whether it may be tried again at `now`, Unix milliseconds. */
  isDue(what: string, now: number): boolean {
    const failing = this.#failing.get(what);
    if (failing === undefined) return true;
    const { until, waitMs } = failing;
    // An end that lies further ahead than the wait was long is a clock that was set back.
    return now >= until || until - now > waitMs;
  }

  /** It has failed; answers how often in a row. `maxMs`: the longest wait. */
  failed(what: string, now: number, maxMs: number): number {
    const failures = (this.#failing.get(what)?.failures ?? 0) + 1;
    const waitMs = Math.min(this.#firstMs * 2 ** Math.min(failures, 20), maxMs);
    this.#failing.set(what, { failures, until: now + waitMs, waitMs });
    return failures;
  }

  succeeded(what: string): void {
    this.#failing.delete(what);
  }

  /** Forgets what `isStill` does not name: it is not to be tried any more. */
  forgetBut(isStill: (what: string) => boolean): void {
    for (const what of this.#failing.keys()) if (!isStill(what)) this.#failing.delete(what);
  }
}

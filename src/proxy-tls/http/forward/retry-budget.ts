// How many requests may be sent again: a share of the requests of the last ten seconds, and a few in any case. Without it a failing
// target would be asked twice as often as a healthy one.

const BUCKETS = 10;
const BUCKET_MS = 1_000;

export interface RetryBudgetOptions {
  /** Of the requests of the last 10 s. */
  readonly percent: number;
  readonly minimumPerSecond: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  readonly #now: () => number;
  readonly #requests = new Array<number>(BUCKETS).fill(0);
  readonly #retries = new Array<number>(BUCKETS).fill(0);
  #second = 0;

  constructor(options: RetryBudgetOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Counts a request that is no retry. */
  request(): void {
    this.#advance();
    this.#add(this.#requests);
  }

  /** Takes one retry; false: none is left. */
  take(): boolean {
    this.#advance();
    const allowed =
      this.#options.minimumPerSecond * BUCKETS + Math.floor((sum(this.#requests) * this.#options.percent) / 100);
    if (sum(this.#retries) >= allowed) return false;
    this.#add(this.#retries);
    return true;
  }

  #add(counts: number[]): void {
    const index = this.#second % BUCKETS;
    counts[index] = (counts[index] ?? 0) + 1;
  }

  #advance(): void {
    const second = Math.floor(this.#now() / BUCKET_MS);
    for (let steps = Math.min(second - this.#second, BUCKETS); steps > 0; steps -= 1) {
      const index = (second - steps + 1) % BUCKETS;
      this.#requests[index] = 0;
      this.#retries[index] = 0;
    }
    this.#second = second;
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

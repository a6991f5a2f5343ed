// Calls whose request has not wholly come. gRPC itself would wait for it without end, and each holds memory: so they are bounded in
// time, and in number by ending the oldest first. Costs a call two operations of a Set; there is no timer per call.

export interface WaitingRequest {
  /** The request is here, or nobody waits for it any more. Harmless twice. */
  done(): void;
  /** A part of it came: its time begins anew. For streams of requests. */
  again(): void;
}

export interface WaitingRequestsOptions {
  readonly timeoutMs: number;
  readonly maxWaiting: number;
  /** Monotonic milliseconds. */
  now(): number;
}

interface Entry {
  since: number;
  readonly end: () => void;
}

export class WaitingRequests {
  readonly #options: WaitingRequestsOptions;
  /** In order of their beginning. */
  readonly #entries = new Set<Entry>();

  constructor(options: WaitingRequestsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Notes a call that has begun. `end` is called once if its time is over, or if it is the oldest of too many. */
  begin(end: () => void): WaitingRequest {
    const entry: Entry = { since: this.#options.now(), end };
    this.#entries.add(entry);
    if (this.#entries.size > this.#options.maxWaiting) this.#endOldest();
    return {
      done: () => void this.#entries.delete(entry),
      again: () => {
        if (!this.#entries.delete(entry)) return;
        entry.since = this.#options.now();
        this.#entries.add(entry);
      },
    };
  }

  /** Ends those whose time is over. */
  sweep(): void {
    const limit = this.#options.now() - this.#options.timeoutMs;
    for (const entry of this.#entries) {
      if (entry.since > limit) return;
      this.#entries.delete(entry);
      entry.end();
    }
  }

  #endOldest(): void {
    for (const entry of this.#entries) {
      this.#entries.delete(entry);
      entry.end();
      return;
    }
  }
}

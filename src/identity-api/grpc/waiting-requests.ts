// Calls whose request has not wholly come. gRPC itself would wait for it without end, and each holds memory: so they are bounded in
// time, and in number by ending the oldest first. They are a list, each linked to its neighbours and to nobody once it is out: a Set's
// outgrown tables would hold ended calls. There is no timer per call.

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

/** In a ring: the oldest comes after the ring's head, the youngest before it. */
class Entry implements WaitingRequest {
  readonly #owner: WaitingRequests;
  #end: (() => void) | undefined;
  since = 0;
  before: Entry = this;
  after: Entry = this;

  constructor(owner: WaitingRequests, end: (() => void) | undefined) {
    this.#owner = owner;
    this.#end = end;
  }

  done(): void {
    this.#owner.remove(this);
    this.#end = undefined;
  }

  again(): void {
    if (this.#owner.remove(this)) this.#owner.append(this);
  }

  /** Its time is over. */
  end(): void {
    const end = this.#end;
    this.done();
    end?.();
  }
}

export class WaitingRequests {
  readonly #options: WaitingRequestsOptions;
  readonly #head: Entry = new Entry(this, undefined);
  #size = 0;

  constructor(options: WaitingRequestsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** Notes a call that has begun. `end` is called once if its time is over, or if it is the oldest of too many. */
  begin(end: () => void): WaitingRequest {
    const entry = new Entry(this, end);
    this.append(entry);
    if (this.#size > this.#options.maxWaiting) this.#head.after.end();
    return entry;
  }

  /** Ends those whose time is over. */
  sweep(): void {
    const limit = this.#options.now() - this.#options.timeoutMs;
    while (this.#size > 0 && this.#head.after.since <= limit) this.#head.after.end();
  }

  // What an entry calls.

  /** Makes it the youngest; its time begins. */
  append(entry: Entry): void {
    const head = this.#head;
    entry.since = this.#options.now();
    entry.before = head.before;
    entry.after = head;
    head.before.after = entry;
    head.before = entry;
    this.#size += 1;
  }

  /** @returns whether it was in */
  remove(entry: Entry): boolean {
    if (entry.after === entry) return false;
    entry.before.after = entry.after;
    entry.after.before = entry.before;
    entry.before = entry;
    entry.after = entry;
    this.#size -= 1;
    return true;
  }
}

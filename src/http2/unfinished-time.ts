// How long what has begun to come has not been whole: whoever sends a head octet by octet is told from one who has nothing to say.

export class UnfinishedTime {
  readonly #connection: { readonly unfinished: number };
  /** What had begun when it was last looked at, and since when that is so. */
  #unfinished = 0;
  #since = 0;

  /** @param connection names what has begun, as `Http2Connection` does */
  constructor(connection: { readonly unfinished: number }) {
    this.#connection = connection;
  }

  /** To be asked again and again. @param now monotonic milliseconds @returns milliseconds; 0: nothing has begun, or another thing */
  lastsMs(now: number): number {
    const { unfinished } = this.#connection;
    if (unfinished === 0 || unfinished !== this.#unfinished) {
      this.#unfinished = unfinished;
      this.#since = now;
    }
    return now - this.#since;
  }
}

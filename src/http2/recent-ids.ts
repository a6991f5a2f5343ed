// The last few streams that ended in one way: what still comes on a stream that we reset was under way, what comes on one that its sender has
// ended is a fault (RFC 9113 section 5.1).

export class RecentIds {
  readonly #count: number;
  #ids: Int32Array | undefined;
  #next = 0;

  constructor(count: number) {
    this.#count = count;
  }

  /** @param id not 0 */
  add(id: number): void {
    this.#ids ??= new Int32Array(this.#count);
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % this.#count;
  }

  has(id: number): boolean {
    return this.#ids?.includes(id) ?? false;
  }
}

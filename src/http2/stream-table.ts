// The open streams of a connection, by their numbers. A Map would do, but that each of its tables holds whom it held when it was outgrown: once
// one has become old, every stream that ever was in it lives until V8 next collects everything. Numbers follow each other, so that the
// lowest bits spread them evenly.

/** Has one place in one table. */
export interface Numbered<Self> {
  readonly id: number;
  /** The table's to change. */
  nextInSlot: Self | undefined;
}

const FIRST_SLOTS = 4;

export class StreamTable<Stream extends Numbered<Stream>> {
  #slots: (Stream | undefined)[] = new Array<Stream | undefined>(FIRST_SLOTS).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | undefined {
    let stream = this.#slots[this.#slotOf(id)];
    while (stream !== undefined && stream.id !== id) stream = stream.nextInSlot;
    return stream;
  }

  /** @param stream whose number is not in the table */
  add(stream: Stream): void {
    if (this.#size >= this.#slots.length) this.#grow();
    this.#size += 1;
    this.#insert(stream);
  }

  delete(stream: Stream): void {
    const slot = this.#slotOf(stream.id);
    let before = this.#slots[slot];
    if (before === stream) this.#slots[slot] = stream.nextInSlot;
    else {
      while (before !== undefined && before.nextInSlot !== stream) before = before.nextInSlot;
      if (before === undefined) return;
      before.nextInSlot = stream.nextInSlot;
    }
    stream.nextInSlot = undefined;
    this.#size -= 1;
  }

  /** Those that are in now, in no order: some may leave while they are looked at. */
  all(): readonly Stream[] {
    const streams: Stream[] = [];
    for (const first of this.#slots) {
      for (let stream = first; stream !== undefined; stream = stream.nextInSlot) streams.push(stream);
    }
    return streams;
  }

  #slotOf(id: number): number {
    return (id >> 1) & (this.#slots.length - 1);
  }

  #insert(stream: Stream): void {
    const slot = this.#slotOf(stream.id);
    stream.nextInSlot = this.#slots[slot];
    this.#slots[slot] = stream;
  }

  #grow(): void {
    const streams = this.all();
    this.#slots = new Array<Stream | undefined>(this.#slots.length * 2).fill(undefined);
    for (const stream of streams) this.#insert(stream);
  }
}

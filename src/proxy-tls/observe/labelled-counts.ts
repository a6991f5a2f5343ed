// Counts by a label whose values are few, and bounded should they turn out not to be.

/** What is counted beyond the bound. */
export const OTHER = "(other)";

export class LabelledCounts {
  readonly #counts = new Map<string, Float64Array>();
  readonly #maxLabels: number;
  readonly #slots: number;

  /** @param slots how many counts each label has */
  constructor(maxLabels: number, slots: number) {
    this.#maxLabels = maxLabels;
    this.#slots = slots;
  }

  add(label: string, slot: number): void {
    const counts = this.#counts.get(label) ?? this.#create(label);
    counts[slot] = (counts[slot] ?? 0) + 1;
  }

  entries(): Iterable<[string, Float64Array]> {
    return this.#counts;
  }

  #create(label: string): Float64Array {
    if (this.#counts.size >= this.#maxLabels && label !== OTHER) {
      return this.#counts.get(OTHER) ?? this.#create(OTHER);
    }
    const counts = new Float64Array(this.#slots);
    this.#counts.set(label, counts);
    return counts;
  }
}

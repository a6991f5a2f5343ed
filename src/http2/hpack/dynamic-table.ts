// The dynamic table (RFC 7541 sections 2.3.2 and 4), as both ends of a connection keep it: newest first, as many bytes as its size allows.
// A ring, so that neither adding nor evicting moves entries; it starts small, so that an idle connection pays for next to nothing.

/** The size that both sides begin with, in bytes (RFC 9113 section 6.5.2). */
export const INITIAL_TABLE_BYTES = 4096;
/** What a field counts beside its strings: in the table (RFC 7541 section 4.1) and in a list (RFC 9113 section 6.5.2). */
export const FIELD_OVERHEAD_BYTES = 32;

const FIRST_CAPACITY = 16;

export class DynamicTable<Entry extends { readonly bytes: number }> {
  readonly #evicted: (entry: Entry) => void;
  /** Its length is a power of two. */
  #ring: (Entry | undefined)[] = new Array<Entry | undefined>(FIRST_CAPACITY).fill(undefined);
  #mask = FIRST_CAPACITY - 1;
  /** Where the next entry goes; the newest is before it. */
  #next = 0;
  #entries = 0;
  #bytes = 0;
  #maxBytes = INITIAL_TABLE_BYTES;

  /** @param evicted is told of every entry that goes, oldest first */
  constructor(evicted: (entry: Entry) => void) {
    this.#evicted = evicted;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** The entry of an age from 1, the newest; undefined: the table has fewer. */
  find(age: number): Entry | undefined {
    return age <= this.#entries ? this.#ring[(this.#next - age) & this.#mask] : undefined;
  }

  /** Adds an entry and evicts for it. One that is larger than the table empties it and is not kept: no error (section 4.4). */
  add(entry: Entry): void {
    this.#evictTo(this.#maxBytes - entry.bytes);
    if (entry.bytes > this.#maxBytes) return;
    if (this.#entries > this.#mask) this.#grow();
    this.#ring[this.#next] = entry;
    this.#next = (this.#next + 1) & this.#mask;
    this.#entries += 1;
    this.#bytes += entry.bytes;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#entries > 0) {
      const place = (this.#next - this.#entries) & this.#mask;
      const oldest = this.#ring[place];
      this.#ring[place] = undefined;
      this.#entries -= 1;
      if (oldest === undefined) continue;
      this.#bytes -= oldest.bytes;
      this.#evicted(oldest);
    }
  }

  /** Doubles a full ring; the oldest entry, where the next would have gone, comes first. */
  #grow(): void {
    const ring = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
    this.#next = ring.length;
    this.#mask = 2 * ring.length - 1;
    while (ring.length <= this.#mask) ring.push(undefined);
    this.#ring = ring;
  }
}

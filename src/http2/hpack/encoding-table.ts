// What an encoder knows of the peer's decoder: the static table and the dynamic one (RFC 7541 section 2.3), found by name. An entry that is
// evicted is unlinked at once, so that nothing can be found that the peer no longer has, and nothing here grows beyond what the table's size
// lets in, whatever names a stranger makes up.
import { DynamicTable, FIELD_OVERHEAD_BYTES } from "./dynamic-table.ts";
import { NAME_RULES, type NameRule, OTHER_NAMES } from "./encoding-rules.ts";
import { STATIC_ENTRIES } from "./static-table.ts";

/** The largest entry that is worth its place: a quarter of the table. */
const MAX_ENTRY_BYTES = 1024;
/** How many entries of one name are looked at: a name with more values than that is not worth the time. */
const LOOKED_AT = 4;

interface Entry {
  readonly known: KnownName;
  readonly value: string;
  readonly bytes: number;
  /** How many entries had been added, this one too; wraps around at 32 bits. */
  readonly serial: number;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** A name with its rule and its entries, newest first. */
export interface KnownName {
  readonly name: string;
  readonly rule: NameRule;
  newest: Entry | undefined;
}

export class EncodingTable {
  /** Names with entries, and those that have a rule of their own, once they were asked for. */
  readonly #names = new Map<string, KnownName>();
  readonly #dynamic = new DynamicTable<Entry>((entry) => this.#unlink(entry));
  #serial = 0;

  get maxBytes(): number {
    return this.#dynamic.maxBytes;
  }

  /** What is known of a name; undefined: it has neither a rule of its own nor an entry. */
  find(name: string): KnownName | undefined {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const rule = NAME_RULES.get(name);
    return rule === undefined ? undefined : this.#learn(name, rule);
  }

  /** The number (section 2.3.3) of the entry with that name and value in the dynamic table, or 0. */
  indexOf(known: KnownName, value: string): number {
    let entry = known.newest;
    for (let looked = 0; entry !== undefined && looked < LOOKED_AT; looked += 1) {
      if (entry.value === value) return this.#index(entry);
      entry = entry.older;
    }
    return 0;
  }

  /** The number of an entry with that name in either table, or 0. */
  nameIndexOf(known: KnownName): number {
    if (known.rule.staticIndex !== 0) return known.rule.staticIndex;
    return known.newest === undefined ? 0 : this.#index(known.newest);
  }

  /** Whether a field is worth an entry, and fits. */
  takes(name: string, value: string): boolean {
    const bytes = bytesOf(name, value);
    return bytes <= MAX_ENTRY_BYTES && bytes <= this.#dynamic.maxBytes;
  }

  /** Adds a field that takes() says yes to, as the peer does when it reads it. */
  add(name: string, value: string): void {
    const bytes = bytesOf(name, value);
    const known = this.find(name) ?? this.#learn(name, OTHER_NAMES);
    this.#serial = (this.#serial + 1) | 0;
    const entry: Entry = { known, value, bytes, serial: this.#serial, older: known.newest, newer: undefined };
    if (entry.older !== undefined) entry.older.newer = entry;
    known.newest = entry;
    this.#dynamic.add(entry);
  }

  resize(maxBytes: number): void {
    this.#dynamic.resize(maxBytes);
  }

  #learn(name: string, rule: NameRule): KnownName {
    const known: KnownName = { name, rule, newest: undefined };
    this.#names.set(name, known);
    return known;
  }

  #index(entry: Entry): number {
    return STATIC_ENTRIES + 1 + ((this.#serial - entry.serial) | 0);
  }

  /** The oldest entry of all goes: it is also the oldest of its name. */
  #unlink(oldest: Entry): void {
    const { known, newer } = oldest;
    if (newer !== undefined) {
      newer.older = undefined;
      return;
    }
    known.newest = undefined;
    this.#names.delete(known.name);
  }
}

function bytesOf(name: string, value: string): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES;
}

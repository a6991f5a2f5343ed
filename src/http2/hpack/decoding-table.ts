// What a decoder looks fields up in: the static table and the dynamic one behind it (RFC 7541 section 2.3). A field keeps its strings and what
// was found about them, so that an indexed field costs one look-up and no look at its characters.
import { DynamicTable, FIELD_OVERHEAD_BYTES } from "./dynamic-table.ts";
import { STATIC_ENTRIES, STATIC_FIELDS } from "./static-table.ts";

/** A field as decoded; `nameIsBad` and `valueIsBad` were found when its literal was read. */
export class DecodedField {
  readonly name: string;
  readonly value: string;
  readonly nameIsBad: boolean;
  readonly valueIsBad: boolean;
  /** As both the table and the list count it. */
  readonly bytes: number;

  constructor(name: string, nameIsBad: boolean, value: string, valueIsBad: boolean) {
    this.name = name;
    this.value = value;
    this.nameIsBad = nameIsBad;
    this.valueIsBad = valueIsBad;
    this.bytes = name.length + value.length + FIELD_OVERHEAD_BYTES;
  }
}

const STATIC = Array.from(
  { length: STATIC_ENTRIES },
  (_, index) => new DecodedField(STATIC_FIELDS[2 * index] ?? "", false, STATIC_FIELDS[2 * index + 1] ?? "", false),
);

const nothing = (): void => {};

export class DecodingTable {
  readonly #dynamic = new DynamicTable<DecodedField>(nothing);

  /** The field of a number from 1 (section 2.3.3), or undefined: there is none. */
  find(index: number): DecodedField | undefined {
    return index <= STATIC_ENTRIES ? STATIC[index - 1] : this.#dynamic.find(index - STATIC_ENTRIES);
  }

  add(field: DecodedField): void {
    this.#dynamic.add(field);
  }

  resize(maxBytes: number): void {
    this.#dynamic.resize(maxBytes);
  }
}

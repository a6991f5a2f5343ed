// Names of fields that a peer has marked as never to be indexed (RFC 7541 section 6.2.3): whoever passes such a field on must write it in the same
// way. Marks are kept for names and not for values, and are shared by connections: a field that one caller thinks a secret is in no table of ours,
// whoever sends it, and nothing has to be carried along with each field.

/** Of the names that are kept. When they are all taken every name counts as marked: tables that help less are not worth a secret. */
const MAX_NAMES = 256;
/** The longest that is kept; what is longer is larger than an entry of our tables may be. */
const MAX_NAME_CHARACTERS = 1_024;

export class MarkedNames {
  readonly #names = new Set<string>();

  /** A peer has marked a field of this name. */
  add(name: string): void {
    if (this.#names.size < MAX_NAMES && name.length <= MAX_NAME_CHARACTERS) this.#names.add(name);
  }

  /** Whether fields of this name are never indexed. */
  has(name: string): boolean {
    const names = this.#names;
    return names.size > 0 && (names.has(name) || names.size >= MAX_NAMES);
  }
}

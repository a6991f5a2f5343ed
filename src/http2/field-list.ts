// The fields of a head or of trailers, in order, and which of them nobody on the way may index.

/**
 * Header fields: name, value, name, value ... Names in lower case, values latin1.
 *
 * A sender may mark a field as one that no table may ever hold, because whoever shares a table with a secret can guess at it by sizes. Who passes
 * such a field on has to write it in the same way (RFC 7541 sections 6.2.3 and 7.1.3). The mark is the message's, so it goes with the list and not
 * with the name: what one client marks changes nothing for another. A list that is made from another one gets its marks by `keepMarks`.
 */
export interface FieldList extends ReadonlyArray<string> {
  /** Names of fields that are marked, besides those that we mark ourselves; undefined, as nearly always: none. */
  readonly neverIndexed?: ReadonlySet<string>;
}

/** A list that is still being made. */
export interface GrowingFieldList extends Array<string> {
  neverIndexed?: ReadonlySet<string>;
}

/** Marks in `made` what was marked in the list that it was made from. */
export function keepMarks(made: GrowingFieldList, from: FieldList): void {
  const { neverIndexed } = from;
  if (neverIndexed !== undefined) made.neverIndexed = neverIndexed;
}

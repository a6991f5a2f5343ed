// Where in the log to look. `ledger_span` holds, for each block of 4,096 log indexes, between which times it was issued and
// valid, by which authorities, and how many issuances have an outcome; the commit keeps it, so that no order of clocks is
// assumed. A few thousand rows stand for a log of tens of millions.
import { fromHex } from "../../../x509/index.ts";
import { type Queryable, type SqlStatement, sqlTime } from "../../store/index.ts";
import { SPAN_BITS } from "../query-aids.ts";
import type { IssuanceFilter } from "./query.ts";

/** Log indexes from `from` (inclusive) to `until` (exclusive). */
export interface IndexRange {
  readonly from: bigint;
  readonly until: bigint;
}

const BOUNDS: SqlStatement = {
  name: "ledger_span_bounds",
  text: `
    SELECT min(block) AS first, max(block) AS last FROM ledger_span
    WHERE ($1::timestamptz IS NULL OR issued_max >= $1)
      AND ($2::timestamptz IS NULL OR issued_min < $2)
      AND ($3::timestamptz IS NULL OR (not_before_min <= $3 AND not_after_max > $3 - interval '1 second'))
      AND ($4 = false OR outcomes < issuances)
      AND ($5::bytea IS NULL OR $5 = ANY (authorities))`,
};

const BLOCKS: SqlStatement = {
  name: "ledger_span_blocks",
  text: `
    SELECT block FROM ledger_span
    WHERE block BETWEEN $1 AND $2
      AND ($3 = false OR outcomes < issuances)
      AND ($4::bytea IS NULL OR $4 = ANY (authorities))
    ORDER BY block`,
};

/** The range outside of which nothing fits the filter's times, authority and wish for a missing outcome; undefined: nothing fits anywhere. */
export async function rangeOf(database: Queryable, filter: IssuanceFilter): Promise<IndexRange | undefined> {
  const rows = await database.query<{ first: bigint | null; last: bigint | null }>(BOUNDS, [
    filter.issuedFrom === undefined ? null : sqlTime(filter.issuedFrom),
    filter.issuedUntil === undefined ? null : sqlTime(filter.issuedUntil),
    filter.validAt === undefined ? null : sqlTime(filter.validAt),
    filter.withoutOutcome === true,
    filter.authority === undefined ? null : fromHex(filter.authority),
  ]);
  const { first = null, last = null } = rows[0] ?? {};
  return first === null || last === null ? undefined : { from: first << SPAN_BITS, until: (last + 1n) << SPAN_BITS };
}

/** The parts of a range where something may fit the filter's authority and its wish for a missing outcome, in order; neighbours joined. */
export async function rangesOf(
  database: Queryable,
  filter: IssuanceFilter,
  range: IndexRange,
): Promise<readonly IndexRange[]> {
  const rows = await database.query<{ block: bigint }>(BLOCKS, [
    range.from >> SPAN_BITS,
    (range.until - 1n) >> SPAN_BITS,
    filter.withoutOutcome === true,
    filter.authority === undefined ? null : fromHex(filter.authority),
  ]);
  const ranges: IndexRange[] = [];
  for (const { block } of rows) {
    const from = block << SPAN_BITS;
    const until = (block + 1n) << SPAN_BITS;
    const last = ranges.at(-1);
    if (last?.until === from) ranges[ranges.length - 1] = { from: last.from, until };
    else ranges.push({ from, until });
  }
  return ranges;
}

// One page of the record of issued identities. SPIFFE ID, serial and requester are served by an index that ends in log_index, so that
// a page costs the same at the start and at the end of a log of any size; times, authority and missing outcomes become ranges of
// the log index first (spans.ts); a lineage is found among what its SPIFFE ID was issued. Pages continue by key, never by offset.
import { fromHex } from "../../../x509/index.ts";
import { type Queryable, sqlTime } from "../../store/index.ts";
import { checkQuery } from "./check-query.ts";
import { Conditions } from "./conditions.ts";
import { decodeCursor, encodeCursor, type Position } from "./cursor.ts";
import { DEFAULT_PAGE_SIZE, type IssuancePage, type IssuanceQuery, type IssuanceRow } from "./query.ts";
import { ISSUANCE_COLUMNS, type IssuanceRecordRow, toIssuanceRow } from "./row.ts";
import { type IndexRange, rangeOf, rangesOf } from "./spans.ts";

/** All of a lineage has its SPIFFE ID, and lies between the block of its opening and its newest child. */
const OF_LINEAGE = `i.lineage = ? AND i.spiffe_id = (SELECT l.spiffe_id FROM lineage l WHERE l.id = ?)
  AND i.log_index <= (SELECT l.current_index FROM lineage l WHERE l.id = ?)
  AND i.log_index >= (SELECT coalesce(min(s.block), 0) << 12 FROM ledger_span s
                      JOIN lineage l ON l.opened_at BETWEEN s.issued_min AND s.issued_max WHERE l.id = ?)`;

/** A page being put together: what was asked, where it goes on, and how many rows to find. */
interface Search {
  readonly database: Queryable;
  readonly query: IssuanceQuery;
  readonly after: Position | undefined;
  /** One row more than the page: whether there is a next page. */
  readonly limit: number;
}

type Rows = readonly IssuanceRow[];

/**
 * Lists issuances by any mix of filters. By SPIFFE ID prefix the order is by SPIFFE ID, then by log index; else by log index.
 * @throws LedgerError MCA_QUERY_INVALID for a filter that cannot be read, with a sentence that says which and why.
 */
export async function listIssuances(database: Queryable, query: IssuanceQuery): Promise<IssuancePage> {
  checkQuery(query);
  const pageSize = query.pageSize ?? DEFAULT_PAGE_SIZE;
  const search: Search = { database, query, after: decodeCursor(query), limit: pageSize + 1 };
  const range = await rangeOf(database, query);
  if (range === undefined) return { rows: [], nextCursor: undefined };
  const rows =
    query.spiffeIdPrefix === undefined
      ? await byIndex(search, range)
      : await byPrefix(search, query.spiffeIdPrefix, range);
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { rows: page, nextCursor: more ? encodeCursor(query, last) : undefined };
}

async function byIndex(search: Search, range: IndexRange): Promise<Rows> {
  const { query, after, limit } = search;
  const newest = query.newestFirst === true;
  // Issuances without an outcome are rare, and an authority signs for a while: look only where some are.
  const sparse = query.withoutOutcome === true || query.authority !== undefined;
  const ranges = sparse ? await rangesOf(search.database, query, range) : [range];
  const found: IssuanceRow[] = [];
  for (const part of newest ? ranges.toReversed() : ranges) {
    if (found.length >= limit) break;
    const conditions = filters(query, part);
    if (after !== undefined) conditions.and(newest ? "i.log_index < ?" : "i.log_index > ?", after.logIndex);
    found.push(...(await select(search, conditions, newest ? "i.log_index DESC" : "i.log_index")));
  }
  return found;
}

/**
 * The prefix itself and everything below it are two ranges of the index (spiffe_id, log_index): the ID alone, and the IDs
 * from "prefix/" up to "prefix0", since "0" follows "/" in the C collation. Between them lie strangers such as "prefix-a".
 */
async function byPrefix(search: Search, prefix: string, range: IndexRange): Promise<Rows> {
  const { query, after, limit } = search;
  const newest = query.newestFirst === true;
  const part = (conditions: Conditions): Promise<Rows> => {
    if (after !== undefined) {
      conditions.and(`(i.spiffe_id, i.log_index) ${newest ? "<" : ">"} (?, ?)`, after.spiffeId, after.logIndex);
    }
    return select(search, conditions, newest ? "i.spiffe_id DESC, i.log_index DESC" : "i.spiffe_id, i.log_index");
  };
  const itself = (): Promise<Rows> => part(filters(query, range).and("i.spiffe_id = ?", prefix));
  const below = (): Promise<Rows> =>
    part(filters(query, range).and("i.spiffe_id >= ? AND i.spiffe_id < ?", `${prefix}/`, `${prefix}0`));
  const [first, second] = newest ? [below, itself] : [itself, below];
  const rows = await first();
  return rows.length >= limit ? rows : [...rows, ...(await second())];
}

/** Every filter but requester and position, within a part of the log. */
function filters(query: IssuanceQuery, { from, until }: IndexRange): Conditions {
  const conditions = new Conditions().and("i.log_index >= ? AND i.log_index < ?", from, until);
  if (query.spiffeId !== undefined) conditions.and("i.spiffe_id = ?", query.spiffeId);
  if (query.serial !== undefined) {
    // Through the table of serials, whose unique index is not split into partitions.
    conditions.and("i.log_index = (SELECT s.log_index FROM serial s WHERE s.serial = ?)", fromHex(query.serial));
  }
  if (query.authority !== undefined) conditions.and("i.authority = ?", fromHex(query.authority));
  if (query.lineage !== undefined)
    conditions.and(OF_LINEAGE, query.lineage, query.lineage, query.lineage, query.lineage);
  if (query.issuedFrom !== undefined) conditions.and("i.issued_at >= ?", sqlTime(query.issuedFrom));
  if (query.issuedUntil !== undefined) conditions.and("i.issued_at < ?", sqlTime(query.issuedUntil));
  if (query.validAt !== undefined) {
    // RFC 5280 section 4.1.2.5: a certificate is valid through the whole second of its notAfter.
    conditions.and("i.not_before <= ? AND i.not_after > ?", sqlTime(query.validAt), sqlTime(query.validAt - 1_000));
  }
  if (query.withoutOutcome === true) {
    // All outcomes of these blocks at once: one by one would be a look into the index for each issuance that has its outcome.
    conditions.and(
      `NOT EXISTS (SELECT 1 FROM (
         SELECT generate_series(o.log_index, coalesce(o.last_index, o.log_index)) AS log_index FROM outcome o
         WHERE o.log_index >= ? AND o.log_index < ?) told WHERE told.log_index = i.log_index)`,
      from,
      until,
    );
  }
  return conditions;
}

/**
 * Rows in `order`. What somebody requested for another identity has an index of its own; what an identity requested for
 * itself (a renewal) is found by that identity. Both answers are in order already, so that they are merged.
 */
async function select(search: Search, conditions: Conditions, order: string): Promise<Rows> {
  const { requester } = search.query;
  if (requester === undefined) return run(search, conditions, order);
  const forOthers = conditions.copy().and("i.requester = ? AND i.requester <> i.spiffe_id", requester);
  const forItself = conditions.copy().and("i.spiffe_id = ? AND i.requester = i.spiffe_id", requester);
  const rows = [...(await run(search, forOthers, order)), ...(await run(search, forItself, order))];
  const sign = search.query.newestFirst === true ? -1 : 1;
  const byId = search.query.spiffeIdPrefix !== undefined;
  return rows.sort((a, b) => sign * ((byId && compare(a.spiffeId, b.spiffeId)) || compare(a.logIndex, b.logIndex)));
}

/** SPIFFE IDs are ASCII, so that UTF-16 order is that of the C collation. */
function compare<T extends string | bigint>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

async function run({ database, limit }: Search, conditions: Conditions, order: string): Promise<Rows> {
  // No statement name: the plan has to fit the values, and there are as many statements as mixes of filters.
  const text = `SELECT ${ISSUANCE_COLUMNS} FROM issuance i ${conditions.where} ORDER BY ${order} LIMIT ${limit}`;
  const rows = await database.query<IssuanceRecordRow>({ name: "", text }, conditions.values);
  return rows.map(toIssuanceRow);
}

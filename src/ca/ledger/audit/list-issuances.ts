// One page of the record of issued identities. Every filter that names something is served by an index that ends in
// log_index, so that a page costs the same at the start and at the end of a log of any size. A time becomes bounds on the
// log index first (time-bounds.ts). Pages continue by key, never by offset.
import { fromHex } from "../../../x509/index.ts";
import { type Queryable, type SqlValue, sqlTime } from "../../store/index.ts";
import { LedgerError } from "../errors.ts";
import { decodeCursor, encodeCursor, type Position } from "./cursor.ts";
import { DEFAULT_PAGE_SIZE, type IssuancePage, type IssuanceQuery, type IssuanceRow, MAX_PAGE_SIZE } from "./query.ts";
import { ISSUANCE_COLUMNS, type IssuanceRecordRow, toIssuanceRow } from "./row.ts";
import { indexBounds, LONGEST_LIFETIME_MS } from "./time-bounds.ts";

const HEX = /^(?:[0-9a-f]{2})+$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Lists issuances by any mix of filters. By SPIFFE ID prefix the order is by SPIFFE ID, then by log index; else by log index.
 * @throws LedgerError MCA_QUERY_INVALID for a filter that cannot be read, with a sentence that says which and why.
 */
export async function listIssuances(database: Queryable, query: IssuanceQuery): Promise<IssuancePage> {
  checkQuery(query);
  const pageSize = query.pageSize ?? DEFAULT_PAGE_SIZE;
  const after = decodeCursor(query);
  const conditions = await commonConditions(database, query);
  const rows =
    query.spiffeIdPrefix === undefined
      ? await byIndex(database, query, conditions, after, pageSize + 1)
      : await byPrefix(database, query, query.spiffeIdPrefix, conditions, after, pageSize + 1);
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { rows: page, nextCursor: more ? encodeCursor(query, last) : undefined };
}

function checkQuery(query: IssuanceQuery): void {
  const refuse = (sentence: string): never => {
    throw new LedgerError("MCA_QUERY_INVALID", sentence);
  };
  const size = query.pageSize ?? DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(size) || size < 1 || size > MAX_PAGE_SIZE) {
    refuse(`The page size is ${size}; give a whole number from 1 to ${MAX_PAGE_SIZE}, and follow the cursor for more.`);
  }
  if (query.spiffeId !== undefined && query.spiffeIdPrefix !== undefined) {
    refuse("A SPIFFE ID and a SPIFFE ID prefix were given together; give one of them.");
  }
  if (query.spiffeIdPrefix?.endsWith("/")) {
    refuse("The SPIFFE ID prefix ends in a slash; leave it out: the prefix ends on a segment boundary by itself.");
  }
  for (const [name, value] of [
    ["serial", query.serial],
    ["authority", query.authority],
  ] as const) {
    if (value !== undefined && !HEX.test(value)) refuse(`The ${name} is not lower-case hex.`);
  }
  if (query.lineage !== undefined && !UUID.test(query.lineage)) refuse("The lineage is not a UUID in lower case.");
}

/** Conditions of a WHERE clause and the values they name, in one place so that numbers and values cannot drift apart. */
class Conditions {
  readonly #texts: string[];
  readonly #values: SqlValue[];

  constructor(texts: readonly string[] = [], values: readonly SqlValue[] = []) {
    this.#texts = [...texts];
    this.#values = [...values];
  }

  /** Adds a condition; each `?` in it stands for the next of `values`. */
  and(text: string, ...values: readonly SqlValue[]): void {
    let next = 0;
    this.#texts.push(
      text.replaceAll("?", () => {
        this.#values.push(values[next++]);
        return `$${this.#values.length}`;
      }),
    );
  }

  copy(): Conditions {
    return new Conditions(this.#texts, this.#values);
  }

  get where(): string {
    return this.#texts.length === 0 ? "" : `WHERE ${this.#texts.join(" AND ")}`;
  }

  get values(): readonly SqlValue[] {
    return this.#values;
  }
}

async function commonConditions(database: Queryable, query: IssuanceQuery): Promise<Conditions> {
  const conditions = new Conditions();
  if (query.spiffeId !== undefined) conditions.and("i.spiffe_id = ?", query.spiffeId);
  if (query.serial !== undefined) {
    // Through the table of serials, whose unique index is not split into partitions.
    conditions.and("i.log_index = (SELECT s.log_index FROM serial s WHERE s.serial = ?)", fromHex(query.serial));
  }
  if (query.requester !== undefined) conditions.and("i.requester = ?", query.requester);
  if (query.authority !== undefined) conditions.and("i.authority = ?", fromHex(query.authority));
  if (query.lineage !== undefined) conditions.and("i.lineage = ?", query.lineage);
  if (query.withoutOutcome === true) {
    conditions.and("NOT EXISTS (SELECT 1 FROM outcome o WHERE o.log_index = i.log_index)");
  }
  await timeConditions(database, query, conditions);
  return conditions;
}

async function timeConditions(database: Queryable, query: IssuanceQuery, conditions: Conditions): Promise<void> {
  const { issuedFrom, issuedUntil, validAt } = query;
  if (issuedFrom !== undefined) conditions.and("i.issued_at >= ?", sqlTime(issuedFrom));
  if (issuedUntil !== undefined) conditions.and("i.issued_at < ?", sqlTime(issuedUntil));
  if (validAt !== undefined) {
    // RFC 5280 section 4.1.2.5: a certificate is valid through the whole second of its notAfter.
    conditions.and("i.not_before <= ? AND i.not_after > ?", sqlTime(validAt), sqlTime(validAt - 1_000));
  }
  const lower = [issuedFrom, validAt === undefined ? undefined : validAt - LONGEST_LIFETIME_MS];
  const upper = [issuedUntil, validAt === undefined ? undefined : validAt + LONGEST_LIFETIME_MS];
  const bounds = await indexBounds(database, {
    from: lower.reduce((a, b) => (a === undefined || (b !== undefined && b > a) ? b : a)),
    until: upper.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a)),
  });
  if (bounds.from !== undefined) conditions.and("i.log_index >= ?", bounds.from);
  if (bounds.until !== undefined) conditions.and("i.log_index < ?", bounds.until);
}

async function select(
  database: Queryable,
  conditions: Conditions,
  order: string,
  limit: number,
): Promise<readonly IssuanceRow[]> {
  // No statement name: the plan has to fit the values, and there are as many statements as mixes of filters.
  const text = `SELECT ${ISSUANCE_COLUMNS} FROM issuance i ${conditions.where} ORDER BY ${order} LIMIT ${limit}`;
  const rows = await database.query<IssuanceRecordRow>({ name: "", text }, conditions.values);
  return rows.map(toIssuanceRow);
}

function byIndex(
  database: Queryable,
  query: IssuanceQuery,
  common: Conditions,
  after: Position | undefined,
  limit: number,
): Promise<readonly IssuanceRow[]> {
  const newest = query.newestFirst === true;
  const conditions = common.copy();
  if (after !== undefined) conditions.and(newest ? "i.log_index < ?" : "i.log_index > ?", after.logIndex);
  return select(database, conditions, newest ? "i.log_index DESC" : "i.log_index", limit);
}

/**
 * The prefix itself and everything below it are two ranges of the index (spiffe_id, log_index): the ID alone, and the IDs
 * from "prefix/" up to "prefix0", since "0" follows "/" in the C collation. Between them lie strangers such as "prefix-a".
 */
async function byPrefix(
  database: Queryable,
  query: IssuanceQuery,
  prefix: string,
  common: Conditions,
  after: Position | undefined,
  limit: number,
): Promise<readonly IssuanceRow[]> {
  const newest = query.newestFirst === true;
  const order = newest ? "i.spiffe_id DESC, i.log_index DESC" : "i.spiffe_id, i.log_index";
  const range = (text: string, ...values: readonly SqlValue[]): Promise<readonly IssuanceRow[]> => {
    const conditions = common.copy();
    conditions.and(text, ...values);
    if (after !== undefined) {
      conditions.and(`(i.spiffe_id, i.log_index) ${newest ? "<" : ">"} (?, ?)`, after.spiffeId, after.logIndex);
    }
    return select(database, conditions, order, limit);
  };
  const itself = () => range("i.spiffe_id = ?", prefix);
  const below = () => range("i.spiffe_id >= ? AND i.spiffe_id < ?", `${prefix}/`, `${prefix}0`);
  const [first, second] = newest ? [below, itself] : [itself, below];
  const rows = await first();
  return rows.length >= limit ? rows : [...rows, ...(await second())].slice(0, limit);
}

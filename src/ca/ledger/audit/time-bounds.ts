// A time window as bounds on the log index. The log is nearly in order of time: entries of one moment differ by at most
// the skew that servers allow each other and the wait for a commit. Two binary searches over the primary key therefore
// find the window in a log of any size; the exact times are filtered afterwards.
import { type Queryable, type SqlStatement, sqlTime } from "../../store/index.ts";

/** How far apart two entries may stand from the order of their times: twice the 10 s of skew, and the commit queue. */
export const DISORDER_MS = 60_000;

/** No certificate lives longer (enterprise-pki: leaf at most 24 h), with an hour of margin. */
export const LONGEST_LIFETIME_MS = 25 * 3_600_000;

const FIRST_INDEX_AT: SqlStatement = {
  name: "issuance_first_index_at",
  // Each step halves [lo, hi) by one probe of the primary key.
  text: `
    WITH RECURSIVE search (lo, hi) AS (
      SELECT 0::bigint, size FROM ledger_head
      UNION ALL
      SELECT CASE WHEN probe.issued_at < $1 THEN probe.log_index + 1 ELSE lo END,
             CASE WHEN probe.issued_at < $1 THEN hi ELSE (lo + hi) / 2 END
      FROM search
      LEFT JOIN LATERAL (
        SELECT i.log_index, i.issued_at FROM issuance i
        WHERE i.log_index >= (search.lo + search.hi) / 2 AND i.log_index < search.hi
        ORDER BY i.log_index LIMIT 1
      ) probe ON true
      WHERE lo < hi
    )
    SELECT lo AS log_index FROM search WHERE lo >= hi LIMIT 1`,
};

/** The first index whose issuance is at or after `time`, give or take the disorder. */
async function firstIndexAt(database: Queryable, time: number): Promise<bigint> {
  const rows = await database.query<{ log_index: bigint }>(FIRST_INDEX_AT, [sqlTime(time)]);
  return rows[0]?.log_index ?? 0n;
}

export interface IndexBounds {
  /** Inclusive. */
  readonly from: bigint | undefined;
  /** Exclusive. */
  readonly until: bigint | undefined;
}

/** Bounds that hold every issuance of [from, until). Unset ends stay open. */
export async function indexBounds(
  database: Queryable,
  window: { readonly from: number | undefined; readonly until: number | undefined },
): Promise<IndexBounds> {
  return {
    from: window.from === undefined ? undefined : await firstIndexAt(database, window.from - DISORDER_MS),
    until: window.until === undefined ? undefined : await firstIndexAt(database, window.until + DISORDER_MS),
  };
}

// What must hold of every log, whatever happened to it: dense, its hashes its own, its query tables in step with it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Database, Queryable } from "../../../src/ca/store/index.ts";

interface EntryRow {
  readonly log_index: bigint;
  readonly leaf_hash: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface LoggedEntry {
  readonly logIndex: bigint;
  readonly kind: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Checks all of it as owner, at one moment, while others may write; answers the entries. */
export function checkLog(database: Database): Promise<readonly LoggedEntry[]> {
  return database.transaction(async (tx) => {
    await tx.query({ name: "", text: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ" });
    return checkMoment(tx);
  });
}

async function checkMoment(database: Queryable): Promise<readonly LoggedEntry[]> {
  const rows = await database.query<EntryRow>({
    name: "",
    text: "SELECT log_index, leaf_hash, bytes FROM ledger_entry ORDER BY log_index",
  });
  const [head] = await database.query<{ size: bigint }>({ name: "", text: "SELECT size FROM ledger_head" });
  assert.equal(head?.size, BigInt(rows.length), "the head is the number of entries");
  const entries = rows.map((row, index) => {
    assert.equal(row.log_index, BigInt(index), "no gap");
    const leaf = createHash("sha256").update(Uint8Array.of(0)).update(row.bytes).digest();
    assert.ok(leaf.equals(row.leaf_hash), `leaf hash at ${index}`);
    const fields: Record<string, unknown> = JSON.parse(Buffer.from(row.bytes).toString("utf8"));
    return { logIndex: row.log_index, kind: String(fields["kind"]), fields };
  });
  await checkQueryTables(database, entries);
  return entries;
}

async function checkQueryTables(database: Queryable, entries: readonly LoggedEntry[]): Promise<void> {
  const issued = entries.filter(({ kind }) => kind === "svid.x509" || kind === "svid.probe");
  const issuances = await database.query<{ log_index: bigint; serial: string; spiffe_id: string; listed: bigint }>({
    name: "",
    text: `SELECT i.log_index, encode(i.serial, 'hex') AS serial, i.spiffe_id, s.log_index AS listed
           FROM issuance i JOIN serial s ON s.serial = i.serial ORDER BY i.log_index`,
  });
  assert.deepEqual(
    issuances,
    issued.map(({ logIndex, fields }) => ({
      log_index: logIndex,
      serial: fields["serial"],
      spiffe_id: fields["spiffeId"],
      listed: logIndex,
    })),
    "the query table shows what the log shows",
  );
  const outcomes = await database.query<{ log_index: bigint; outcome_index: bigint; result: string }>({
    name: "",
    text: `SELECT told AS log_index, outcome_index, result
           FROM outcome, generate_series(log_index, coalesce(last_index, log_index)) told ORDER BY told`,
  });
  const recorded = entries.flatMap(({ kind, logIndex, fields }) => {
    const list = fields["outcomes"];
    if (kind !== "svid.outcome" || !Array.isArray(list)) return [];
    return list.map((item: { index: string; result: string }) => ({
      log_index: BigInt(item.index),
      outcome_index: logIndex,
      result: item.result,
    }));
  });
  assert.deepEqual(
    outcomes,
    recorded.sort((a, b) => (a.log_index < b.log_index ? -1 : 1)),
  );
  const spans = await database.query({
    name: "",
    text: `SELECT block, issued_min, issued_max, not_before_min, not_after_max, issuances, outcomes,
                  ARRAY(SELECT DISTINCT unnest(authorities) ORDER BY 1) AS authorities
           FROM ledger_span ORDER BY block`,
  });
  const recomputed = await database.query({
    name: "",
    text: `SELECT i.log_index >> 12 AS block, min(issued_at) AS issued_min, max(issued_at) AS issued_max,
                  min(not_before) AS not_before_min, max(not_after) AS not_after_max,
                  count(*)::integer AS issuances, count(o.log_index)::integer AS outcomes,
                  array_agg(DISTINCT authority) AS authorities
           FROM issuance i
           LEFT JOIN (SELECT generate_series(log_index, coalesce(last_index, log_index)) AS log_index FROM outcome) o
             ON o.log_index = i.log_index
           GROUP BY 1 ORDER BY 1`,
  });
  assert.deepEqual(spans, recomputed, "ledger_span is exact");
}

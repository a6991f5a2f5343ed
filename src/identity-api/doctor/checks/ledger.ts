// The ledger: is the head what the entries say, are they dense and unchanged as far as is looked, is there room for the next ones,
// and did every issuance end? Old entries are not read again here: proofs over the whole log are the auditor's.
import { createHash } from "node:crypto";
import { HAS_OUTCOME, type Queryable, type SqlStatement, sqlTime } from "../../../ca/index.ts";
import { bytesEqual } from "../../../x509/index.ts";
import { type Finding, ok, problem } from "../result.ts";
import type { Check } from "../world.ts";

/** So many of the newest entries are counted, and so many are hashed again. */
const COUNTED = 2_000_000n;
const HASHED = 1_000n;
const PARTITION_WIDTH = 4_194_304n;
/** An issuance takes milliseconds; after this nobody works on it any more. */
const ORPHAN_AGE_MS = 60_000;

const HEAD: SqlStatement = {
  name: "",
  text: "SELECT size, (SELECT max(log_index) FROM ledger_entry) AS last FROM ledger_head",
};
const COUNT: SqlStatement = {
  name: "",
  text: `SELECT count(*) AS present, min(log_index) AS first FROM ledger_entry WHERE log_index >= $1::bigint`,
};
const GAPS: SqlStatement = {
  name: "",
  text: `SELECT log_index + 1 AS missing FROM (
      SELECT log_index, lead(log_index) OVER (ORDER BY log_index) AS next FROM ledger_entry WHERE log_index >= $1::bigint) e
    WHERE next <> log_index + 1 ORDER BY log_index LIMIT 1`,
};
const NEWEST: SqlStatement = {
  name: "",
  text: "SELECT log_index, leaf_hash, bytes FROM ledger_entry WHERE log_index >= $1::bigint ORDER BY log_index",
};
const PARTITIONS: SqlStatement = {
  name: "",
  text: `SELECT p.relname AS parent, array_agg(substring(c.relname FROM '_p([0-9]+)$')::bigint) AS numbers
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relname IN ('ledger_entry', 'issuance', 'outcome') AND p.relnamespace = 'public'::regnamespace
    GROUP BY p.relname`,
};
/** Blocks of the span index that lack outcomes, then what in them has none. */
const ORPHANS: SqlStatement = {
  name: "",
  text: `SELECT count(*) AS orphans, count(*) FILTER (WHERE i.not_after > $2::timestamptz) AS living, min(i.log_index) AS first
    FROM ledger_span s
    JOIN issuance i ON i.log_index >= s.block << 12 AND i.log_index < (s.block + 1) << 12
    WHERE s.issuances > s.outcomes AND i.issued_at < $1::timestamptz AND NOT ${HAS_OUTCOME}`,
};

export const ledgerChecks: readonly Check[] = [
  { id: "ledger.head", needs: "database", look: async (_world, tx) => lookAtHead(tx) },
  { id: "ledger.partitions", needs: "database", look: async (_world, tx) => lookAtPartitions(tx) },
  { id: "ledger.intents", needs: "database", look: async ({ clock }, tx) => lookForOrphans(tx, clock.now()) },
];

const RESTORE =
  "nothing may be written to this log before you know what happened: docs/disaster-recovery.md, Old database restored";

async function lookAtHead(tx: Queryable): Promise<readonly Finding[]> {
  const [head] = await tx.query<{ size: bigint; last: bigint | null }>(HEAD);
  if (head === undefined) return [problem("failed", "no head of the ledger", "one", "npx mesh-ca init")];
  const { size } = head;
  const entries = (head.last ?? -1n) + 1n;
  if (entries !== size) {
    return [
      problem("failed", `the head says ${size} entries, the last entry is number ${entries - 1n}`, "the same", RESTORE),
    ];
  }
  const from = size > COUNTED ? size - COUNTED : 0n;
  const [counted] = await tx.query<{ present: bigint; first: bigint | null }>(COUNT, [from]);
  const first = counted?.first ?? from;
  if (counted !== undefined && counted.present !== size - first) {
    const [gap] = await tx.query<{ missing: bigint }>(GAPS, [from]);
    const found = `entry ${gap?.missing ?? "?"} is missing (${counted.present} of ${size - first} entries are there)`;
    return [problem("failed", found, "every index, once", RESTORE)];
  }
  const newest = await tx.query<{ log_index: bigint; leaf_hash: Uint8Array; bytes: Uint8Array }>(NEWEST, [
    size > HASHED ? size - HASHED : 0n,
  ]);
  const changed = newest.find(({ leaf_hash, bytes }) => !bytesEqual(leafHash(bytes), leaf_hash));
  if (changed !== undefined) {
    const found = `the bytes of entry ${changed.log_index} do not have the hash that was recorded with them`;
    return [problem("failed", found, "entries as they were written", RESTORE)];
  }
  const last = newest.at(-1);
  const hash = last === undefined ? "" : `, the last one ${Buffer.from(last.leaf_hash).toString("hex")}`;
  return [ok(`${size} entries, without a gap among the newest ${size - first}${hash}`)];
}

/** RFC 6962 section 2.1. */
function leafHash(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(Uint8Array.of(0)).update(bytes).digest();
}

async function lookAtPartitions(tx: Queryable): Promise<readonly Finding[]> {
  const [head] = await tx.query<{ size: bigint }>(HEAD);
  const size = head?.size ?? 0n;
  const current = size / PARTITION_WIDTH;
  const there = await tx.query<{ parent: string; numbers: readonly bigint[] }>(PARTITIONS);
  const findings = ["ledger_entry", "issuance", "outcome"].flatMap((parent): readonly Finding[] => {
    const numbers = there.find((row) => row.parent === parent)?.numbers ?? [];
    const command =
      "start the server (it makes them, as mesh_ca_app may); then look at its log: ledger.partition-failed";
    if (!numbers.includes(current)) {
      return [problem("failed", `${parent} has no partition for entry ${size}`, `${parent}_p${current}`, command)];
    }
    if (!numbers.includes(current + 1n)) {
      const left = (current + 1n) * PARTITION_WIDTH - size;
      return [
        problem("warning", `${parent} has room for ${left} more entries only`, `${parent}_p${current + 1n}`, command),
      ];
    }
    return [];
  });
  const room = (current + 2n) * PARTITION_WIDTH - size;
  return findings.length > 0 ? findings : [ok(`partitions for at least ${room} more entries`)];
}

/** Issuances recorded more than a minute ago without an outcome. `now` Unix milliseconds. */
export async function countOrphans(
  database: Queryable,
  now: number,
): Promise<{ readonly orphans: bigint; readonly living: bigint; readonly first: bigint | null }> {
  const values = [sqlTime(now - ORPHAN_AGE_MS), sqlTime(now)];
  const [row] = await database.query<{ orphans: bigint; living: bigint; first: bigint | null }>(ORPHANS, values);
  return row ?? { orphans: 0n, living: 0n, first: null };
}

async function lookForOrphans(tx: Queryable, now: number): Promise<readonly Finding[]> {
  const { orphans, living, first } = await countOrphans(tx, now);
  if (orphans === 0n) return [ok("every recorded issuance has its outcome")];
  const found = `${orphans} recorded without an outcome, the first of them entry ${first}; ${living} would still be valid`;
  // A crash between record and signature leaves one for ever: it is told, and hurts only while a certificate might be out there.
  if (living === 0n) return [ok(found)];
  const command = "npx mesh-ca audit list --without-outcome: nobody is known to have got these";
  return [problem("warning", found, "an outcome for each within a minute", command)];
}

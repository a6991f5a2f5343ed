// A large record of issuances, made by SQL alone: for questions of speed and of query plans. Only what the audit queries read is there;
// the entries themselves are not. A fleet of workloads enrols by tokens and renews in turn, over two partitions and several authorities.
import { createHash } from "node:crypto";
import { initialiseLedger } from "../../src/ca/ledger/initialise.ts";
import type { Database } from "../../src/ca/store/index.ts";
import type { TestDatabase } from "./postgres.ts";

export interface LargeLedger {
  readonly rows: number;
  /** Workloads of the fleet; each has rows / workloads certificates. */
  readonly workloads: number;
  /** Index of the first row. */
  readonly first: bigint;
  /** Unix milliseconds of the first issuance; one follows every 100 ms, each valid for an hour. */
  readonly startedAt: number;
}

const WIDTH = 4_194_304n;
const CHUNK = 100_000;
export const ISSUE_EVERY_MS = 100;

/** Lineage of workload number `n`: each enrolled once. */
export function workloadLineage(n: number): string {
  const hex = createHash("md5").update(String(n)).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** SPIFFE ID of workload number `n`: 100 workloads a namespace. */
export function workloadId(n: number): string {
  return `spiffe://example.test/ns/n${Math.floor(n / 100)}/sa/s${n}`;
}

/** Serial number (lower-case hex) of the row at `logIndex`, as an expression of SQL. */
const SERIAL = "'\\x01'::bytea || substring(sha256(n::text::bytea) from 1 for 16)";

/** Fills an empty test database, half of it on each side of the edge between two partitions. */
export async function fillLedger(
  database: TestDatabase,
  options: { rows: number; workloads: number },
): Promise<LargeLedger> {
  const { rows, workloads } = options;
  const startedAt = Date.UTC(2026, 0, 1);
  await initialiseLedger(database.app, { trustDomain: "example.test", development: false, createdAt: startedAt });
  const first = WIDTH - BigInt(rows / 2);
  const run = (text: string) => database.owner.query({ name: "", text });
  await run(`UPDATE ledger_head SET size = ${first}`);
  await run(`SELECT ledger_ensure_partitions(${first + BigInt(rows)})`);
  for (let done = 0; done < rows; done += CHUNK) {
    await fillChunk(database.owner, first, { from: done, until: Math.min(rows, done + CHUNK), workloads, startedAt });
  }
  await run(`UPDATE ledger_head SET size = ${first + BigInt(rows)}`);
  await run(`
    INSERT INTO ledger_span
    SELECT log_index >> 12, min(issued_at), max(issued_at), min(not_before), max(not_after), count(*), count(o.log_index),
           array_agg(DISTINCT authority)
    FROM issuance LEFT JOIN (SELECT generate_series(log_index, last_index) AS log_index FROM outcome) o USING (log_index)
    GROUP BY 1`);
  await run(`
    INSERT INTO lineage (id, spiffe_id, rule, attestor, attributes, opened_at, current_serial, current_spki, current_index, current_used,
                         current_issued_at, current_not_after, quota_left, quota_at)
    SELECT lineage, min(spiffe_id), 'fleet', 'token', '{}', min(issued_at), '', '', max(log_index), true, max(issued_at), max(not_after),
           0, max(issued_at)
    FROM issuance GROUP BY 1`);
  await run("ANALYZE");
  return { rows, workloads, first, startedAt };
}

async function fillChunk(
  owner: Database,
  first: bigint,
  { from, until, workloads, startedAt }: { from: number; until: number; workloads: number; startedAt: number },
): Promise<void> {
  const at = `to_timestamp(${startedAt / 1000} + n * ${ISSUE_EVERY_MS / 1000})`;
  const series = `generate_series(${from}, ${until - 1}) n`;
  const id = `'spiffe://example.test/ns/n' || (n % ${workloads}) / 100 || '/sa/s' || n % ${workloads}`;
  const statements = [
    `INSERT INTO issuance
     SELECT ${first} + n, 'svid.x509', ${id}, ${SERIAL},
            CASE WHEN n < ${workloads} THEN 'token:' || n % 50 ELSE ${id} END,
            md5((n % ${workloads})::text)::uuid, 'fleet', 1, sha256((n / 250000)::text::bytea), sha256(('k' || n)::bytea),
            ${at}, ${at} - interval '1 minute', ${at} + interval '1 hour'
     FROM ${series}`,
    `INSERT INTO serial SELECT ${SERIAL}, ${first} + n FROM ${series}`,
    // Sixteen a run; one issuance in a hundred thousand has none.
    `INSERT INTO outcome SELECT ${first} + n, 0, 'signed', ${first} + n + CASE n % 100000 WHEN 0 THEN 4 ELSE 15 END
     FROM ${series} WHERE n % 16 = 0`,
    `INSERT INTO outcome SELECT ${first} + n + 6, 0, 'signed', ${first} + n + 15 FROM ${series} WHERE n % 100000 = 0`,
  ];
  for (const text of statements) await owner.query({ name: "", text });
}

// Questions to a large record of issuances: how long a page takes, the first one and one in the middle, and what PostgreSQL does for it.
// `node test/bench/audit-queries.ts [ROWS] [--plans]`; two million rows take two minutes and 2 GB to make.
import { cpus } from "node:os";
import { type IssuanceQuery, listIssuances } from "../../src/ca/ledger/audit/index.ts";
import type { Database } from "../../src/ca/store/index.ts";
import { auditQuestions } from "../support/audit-questions.ts";
import { fillLedger } from "../support/large-ledger.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { explain, RecordingDatabase } from "../support/query-plans.ts";

const ROUNDS = 20;
const rows = Number(process.argv.find((argument) => /^\d+$/.test(argument)) ?? 2_000_000);
const showPlans = process.argv.includes("--plans");

async function medianMs(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0;
}

/** The page in the middle of at most 20 pages, by following the cursor. */
async function laterPage(database: Database, query: IssuanceQuery): Promise<IssuanceQuery | undefined> {
  let cursor: string | undefined;
  for (let page = 0; page < 10; page++) {
    const { nextCursor } = await listIssuances(database, { ...query, ...(cursor === undefined ? {} : { cursor }) });
    if (nextCursor === undefined) break;
    cursor = nextCursor;
  }
  return cursor === undefined ? undefined : { ...query, cursor };
}

const database = await createTestDatabase();
try {
  const began = performance.now();
  const ledger = await fillLedger(database, { rows, workloads: Math.max(100, rows / 100) });
  console.log(
    `${rows} rows in ${Math.round((performance.now() - began) / 1000)} s; ${cpus()[0]?.model}; a page has 100 rows`,
  );
  for (const [name, query] of auditQuestions(ledger)) {
    const first = await medianMs(() => listIssuances(database.app, query));
    const later = await laterPage(database.app, query);
    const next =
      later === undefined
        ? ""
        : `, a later page ${(await medianMs(() => listIssuances(database.app, later))).toFixed(1)} ms`;
    const found = (await listIssuances(database.app, query)).rows.length;
    console.log(`${name}: ${found} rows, ${first.toFixed(1)} ms${next}`);
    if (!showPlans) continue;
    const recording = new RecordingDatabase(database.app);
    await listIssuances(recording, query);
    for (const asked of recording.asked) console.log((await explain(database.owner, asked)).replaceAll(/^/gm, "    "));
  }
} finally {
  await database.close();
}

// What PostgreSQL reads for each question to the record: never a whole partition, whatever is asked. A hundred times more rows are
// measured by test/bench/audit-queries.ts.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { listIssuances } from "../../../src/ca/ledger/audit/index.ts";
import { auditQuestions } from "../../support/audit-questions.ts";
import { fillLedger, type LargeLedger } from "../../support/large-ledger.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { explain, RecordingDatabase } from "../../support/query-plans.ts";

const ROWS = 40_000;
/** Far more than a page needs, far less than a partition has (about 900 for 20,000 rows of issuance). */
const MOST_BLOCKS = 600;

let database: TestDatabase;
let ledger: LargeLedger;
before(async () => {
  database = await createTestDatabase();
  ledger = await fillLedger(database, { rows: ROWS, workloads: 2_000 });
});
after(() => database.close());

test("no question to the record reads a partition from end to end, neither for its first page nor for a later one", async () => {
  for (const [name, query] of auditQuestions(ledger)) {
    const first = await listIssuances(database.app, query);
    const pages = first.nextCursor === undefined ? [query] : [query, { ...query, cursor: first.nextCursor }];
    for (const page of pages) {
      const recording = new RecordingDatabase(database.app);
      await listIssuances(recording, page);
      for (const asked of recording.asked) {
        const plan = await explain(database.owner, asked);
        assert.doesNotMatch(plan, /Seq Scan on (issuance|outcome|serial)/, `${name}:\n${plan}`);
        assert.ok(blocksOf(plan) <= MOST_BLOCKS, `${name}: ${blocksOf(plan)} blocks\n${plan}`);
      }
    }
  }
});

test("the rows that are found are those that were asked for", async () => {
  const found = new Map<string, number>();
  for (const [name, query] of auditQuestions(ledger)) {
    found.set(name, (await listIssuances(database.app, { ...query, pageSize: 1_000 })).rows.length);
  }
  assert.equal(found.get("SPIFFE ID"), ROWS / 2_000);
  assert.equal(found.get("SPIFFE ID that was never issued"), 0);
  assert.equal(found.get("serial"), 1);
  assert.equal(found.get("requester: a token"), 2_000 / 50);
  assert.equal(found.get("requester: an identity, newest first"), ROWS / 2_000 - 1);
  assert.equal(found.get("lineage"), ROWS / 2_000);
  assert.equal(found.get("lineage that was never opened"), 0);
  assert.equal(found.get("authority that signed nothing, newest first"), 0);
  assert.equal(found.get("time window after the end"), 0);
  assert.equal(found.get("without outcome"), 1);
});

/** Blocks read, as the top of the plan counts them. */
function blocksOf(plan: string): number {
  const [, hit = "0", , read = "0"] = /Buffers: shared hit=(\d+)( read=(\d+))?/.exec(plan) ?? [];
  return Number(hit) + Number(read);
}

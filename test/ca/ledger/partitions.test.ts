import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { CommitResult } from "../../../src/ca/ledger/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";
import { intentOf, openLedger, reopenLedger, START, TestClock } from "./support.ts";

const WIDTH = 4_194_304n;
const sql = (text: string) => ({ name: "", text });
const indexOf = (result: CommitResult) => (result.kind === "committed" ? result.intent.logIndex : -1n);

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  await (await openLedger(database.app)).close();
});
afterEach(() => database.close());

/** A log that ends just before the last index of its first partition. */
async function nearTheEnd(): Promise<bigint> {
  const size = WIDTH - 4n;
  await database.owner.query(sql(`INSERT INTO ledger_entry VALUES (${size - 1n}, '', '')`));
  await database.owner.query(sql(`UPDATE ledger_head SET size = ${size}`));
  return size;
}

async function partitions(): Promise<readonly string[]> {
  const rows = await database.owner.query<{ name: string }>(
    sql(
      "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'ledger_entry'::regclass ORDER BY 1",
    ),
  );
  return rows.map(({ name }) => name);
}

test("one batch runs over the edge of a partition without a gap, and the one after the next is made ahead", async () => {
  const size = await nearTheEnd();
  const ledger = await reopenLedger(database.app);
  const indexes = (await Promise.all(Array.from({ length: 10 }, () => ledger.commit(intentOf())))).map(indexOf);
  assert.deepEqual(
    indexes.sort((a, b) => Number(a - b)),
    Array.from({ length: 10 }, (_, index) => size + BigInt(index)),
  );
  await until(async () => (await partitions()).length >= 3, "there is a partition ahead");
  assert.deepEqual(await partitions(), ["ledger_entry_p0", "ledger_entry_p1", "ledger_entry_p2"]);
  await ledger.close();
});

test("a partition that is missing after all is made when it is needed, and the batch is written", async () => {
  await nearTheEnd();
  const ledger = await reopenLedger(database.app);
  await database.owner.query(sql("DROP TABLE ledger_entry_p1, issuance_p1, outcome_p1"));
  const indexes = (await Promise.all(Array.from({ length: 10 }, () => ledger.commit(intentOf())))).map(indexOf);
  assert.equal(indexes.filter((index) => index >= WIDTH).length, 6);
  await ledger.close();
});

test("partitions that were pruned are not made again", async () => {
  await database.owner.query(sql(`UPDATE ledger_head SET size = ${2n * WIDTH + 1n}`));
  await database.owner.query(sql("SELECT ledger_ensure_partitions((SELECT size + 1 FROM ledger_head))"));
  await database.owner.query(sql(`INSERT INTO ledger_entry VALUES (${2n * WIDTH}, '', '')`));
  await database.owner.query(sql("DROP TABLE ledger_entry_p0, issuance_p0, outcome_p0"));
  await (await reopenLedger(database.app)).close();
  assert.ok(!(await partitions()).includes("ledger_entry_p0"));
});

test("whoever does not know where the log ends is refused, and makes no partition at all", async () => {
  const before = await partitions();
  for (const upTo of [5n * WIDTH, 1n << 40n, (1n << 63n) - 1n]) {
    await assert.rejects(database.app.query(sql(`SELECT ledger_ensure_partitions(${upTo})`)), {
      code: "MCA_DATABASE_STATEMENT",
      message: /partitions up to index \d+ were asked for, and the log has not reached 4194304/,
      details: { sqlState: "MC002" },
    });
  }
  assert.deepEqual(await partitions(), before);
  await database.app.query(sql(`SELECT ledger_ensure_partitions(${4n * WIDTH})`));
  assert.equal((await partitions()).length, 4);
});

test("a clock that is ten years ahead makes no partition: they follow the log, not the time", async () => {
  const clock = new TestClock();
  clock.time = START + 10 * 365 * 86_400_000;
  const before = await partitions();
  const ledger = await reopenLedger(database.app, { clock });
  await ledger.commit(intentOf({ issuedAt: clock.time, notBefore: clock.time, notAfter: clock.time + 3_600_000 }));
  await ledger.close();
  assert.deepEqual(await partitions(), before);
});

test("a replica that wants what another one is just making waits for it, and does not fail", async () => {
  const ensure = sql(`SELECT ledger_ensure_partitions(${4n * WIDTH})`);
  const waiting = sql(
    "SELECT 1 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  let second: Promise<unknown> = Promise.resolve();
  await database.app.transaction(async (tx) => {
    await tx.query(ensure);
    second = database.app.query(ensure);
    second.catch(() => {}); // judged below
    await until(async () => (await database.owner.query(waiting)).length === 1, "the other one waits");
  });
  await second;
  assert.equal((await partitions()).length, 4);
});

test("a reader that stays for hours, such as pg_dump, holds up neither a new partition nor the commits", async () => {
  await nearTheEnd();
  await database.owner.query(sql("DROP TABLE ledger_entry_p1, issuance_p1, outcome_p1"));
  await database.owner.transaction(async (tx) => {
    await tx.query(sql("SELECT 1 FROM ledger_entry, issuance, outcome LIMIT 1"));
    const ledger = await reopenLedger(database.app, { commitTimeoutMs: 5_000 });
    const indexes = (await Promise.all(Array.from({ length: 10 }, () => ledger.commit(intentOf())))).map(indexOf);
    assert.equal(indexes.filter((index) => index >= WIDTH).length, 6);
    await ledger.close();
  });
});

test("a partition that was made later has the same keys, indexes and checks as the first", async () => {
  await database.app.query(sql(`SELECT ledger_ensure_partitions(${3n * WIDTH})`));
  const shapes = (number: number) =>
    database.owner.query<{ shape: string }>(
      sql(`SELECT replace(indexdef, '_p${number}', '') AS shape FROM pg_indexes WHERE tablename LIKE '%\\_p${number}'
           UNION ALL SELECT replace(conrelid::regclass::text || ' ' || pg_get_constraintdef(oid), '_p${number}', '')
           FROM pg_constraint WHERE conrelid::regclass::text LIKE '%\\_p${number}' ORDER BY 1`),
    );
  assert.ok((await shapes(0)).length > 8);
  assert.deepEqual(await shapes(2), await shapes(0));
});

// Migration 0005 over a record that programs of before have made: nothing of it is lost to the questions of today, and such a program
// commits no more.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { getIssuance, listIssuances } from "../../../src/ca/ledger/audit/index.ts";
import { initialiseLedger } from "../../../src/ca/ledger/initialise.ts";
import { migrate } from "../../../src/ca/store/index.ts";
import { readMigrations } from "../../../src/ca/store/migrations.ts";
import { systemClock } from "../../../src/runtime/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { hexOf } from "../ledger/support.ts";

const AUTHORITIES = [hexOf("first"), hexOf("second")] as const;
const LINEAGE = "6f1c2f9e-8a53-4d6c-9c1e-2f7d1a0b3c4d";
const ID = "spiffe://example.test/ns/shop/sa/cart";
const SPAN = "INSERT INTO ledger_span (block, issuances, outcomes) VALUES (9, 1, 0)";

let database: TestDatabase;
const run = (text: string) => database.owner.query({ name: "", text });

before(async () => {
  database = await createTestDatabase({ empty: true });
  const known = await readMigrations();
  await migrate(database.owner, { clock: systemClock, migrations: known.slice(0, 4) });
  await initialiseLedger(database.owner, { trustDomain: "example.test", development: false, createdAt: 0 });
  await run("UPDATE ledger_head SET size = 6");
  for (const index of [0, 1, 2, 3, 4]) {
    await run(`INSERT INTO issuance VALUES (${index}, 'svid.x509', '${ID}', '\\x0${index}', '${ID}', '${LINEAGE}', 'r', 1,
      '\\x${AUTHORITIES[index < 3 ? 0 : 1]}', '\\x00', '2026-01-01T00:00:0${index}Z', '2026-01-01', '2026-01-02')`);
  }
  for (const index of [0, 1, 3]) await run(`INSERT INTO outcome VALUES (${index}, 5, 'failed')`);
  await run(`INSERT INTO ledger_entry SELECT n, '', '{"tbs":""}' FROM generate_series(0, 5) n`);
  await run(
    "INSERT INTO ledger_span VALUES (0, '2026-01-01', '2026-01-01T00:00:04Z', '2026-01-01', '2026-01-02', 5, 3)",
  );
  await run(`INSERT INTO lineage VALUES ('${LINEAGE}', '${ID}', 'r', 'token', '{}', '2026-01-01', null, null, '', '', 4, true,
    '2026-01-01', '2026-01-02', null, 0, '2026-01-01')`);
  await run(SPAN);
  assert.deepEqual((await migrate(database.owner, { clock: systemClock })).applied, [known.length]);
});
after(() => database.close());

const indexes = async (query: Parameters<typeof listIssuances>[1]) =>
  (await listIssuances(database.owner, query)).rows.map(({ logIndex }) => Number(logIndex));

test("authorities, lineages and outcomes of before are found", async () => {
  assert.deepEqual(await indexes({ authority: AUTHORITIES[0] }), [0, 1, 2]);
  assert.deepEqual(await indexes({ authority: AUTHORITIES[1], newestFirst: true }), [4, 3]);
  assert.deepEqual(await indexes({ lineage: LINEAGE }), [0, 1, 2, 3, 4]);
  assert.deepEqual(await indexes({ withoutOutcome: true }), [2, 4]);
  const told = (await listIssuances(database.owner, {})).rows.map(({ hasOutcome }) => hasOutcome);
  assert.deepEqual(told, [true, true, false, true, false]);
  assert.deepEqual((await getIssuance(database.owner, { logIndex: 3n })).outcome, { kind: "failed", outcomeIndex: 5n });
  assert.deepEqual((await getIssuance(database.owner, { logIndex: 4n })).outcome, { kind: "none" });
});

test("a program that does not know whose a block is cannot commit", async () => {
  await assert.rejects(run(`${SPAN} ON CONFLICT (block) DO UPDATE SET issuances = ledger_span.issuances + 1`), {
    details: { sqlState: "23502" },
  });
});

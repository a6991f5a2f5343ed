// "COMMIT" is believed only when it is durable as the database was told to be: with a synchronous standby that means on the standby.
// A cancelled wait for it commits here and says so by a warning; nothing may be signed on that.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Ledger } from "../../../src/ca/ledger/index.ts";
import type { Database } from "../../../src/ca/store/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { intentOf, openLedger, reopenLedger, START } from "./support.ts";

const sql = (text: string) => ({ name: "", text });
const ENTRY = {
  kind: "token.voided",
  time: START,
  token: "6b0f4f4e-3b0c-4e7e-9a53-0d1a7f6f6a01",
  requester: "alice",
} as const;

describe("a COMMIT that warns: in force here, and perhaps not where it should be", () => {
  let own: TestDatabase;
  let ledger: Ledger;
  /** How many of the next looks at the warnings of a read-back find one: the standby is still away. */
  let stillAway = 0;
  let readBacks = 0;

  const warnAtCommit = (table: string) =>
    own.owner.query(
      sql(`CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$;
           CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON ${table} DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION warn()`),
    );

  beforeEach(async () => {
    own = await createTestDatabase();
    stillAway = 0;
    readBacks = 0;
    const { app } = own;
    const database: Database = {
      query: (statement, values) => app.query(statement, values),
      transaction: (run) => app.transaction(run),
      databaseNow: () => app.databaseNow(),
      listen: (channel, onNotify) => app.listen(channel, onNotify),
      close: () => app.close(),
      async pipeline() {
        const pipeline = await app.pipeline();
        let readingBack = false;
        return {
          send(statement, values) {
            if (statement.name === "ledger_leaf_at") readingBack = true;
            return pipeline.send(statement, values);
          },
          together: (run) => pipeline.together(run),
          takeWarnings() {
            const warnings = pipeline.takeWarnings();
            if (!readingBack) return warnings;
            readingBack = false;
            readBacks += 1;
            stillAway -= 1;
            return stillAway >= 0 ? [...warnings, "canceling wait for synchronous replication"] : warnings;
          },
          get alive() {
            return pipeline.alive;
          },
          destroy: () => pipeline.destroy(),
          close: () => pipeline.close(),
        };
      },
    };
    ledger = await openLedger(database);
  });
  afterEach(async () => {
    await ledger.close();
    await own.close();
  });

  test("an intent counts as committed only when the log was read back by a transaction that ended without a warning", async () => {
    await warnAtCommit("issuance");
    stillAway = 3;
    const result = await ledger.commit(intentOf());
    assert.equal(result.kind, "committed");
    assert.equal(readBacks, 4, "three that warned too, and one that did not");
    const rows = await own.owner.query(sql("SELECT 1 FROM ledger_entry"));
    assert.equal(rows.length, 1, "recorded once");
  });

  test("reading back is a write of its own, so that its COMMIT waits for the standby as well", async () => {
    const assigned = await own.app.transaction(async (tx) => {
      await tx.query(sql("SELECT size FROM ledger_lock_head()"));
      const [row] = await tx.query<{ assigned: boolean }>(
        sql("SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS assigned"),
      );
      return row?.assigned;
    });
    assert.equal(assigned, true);
  });

  test("an administrative change is read back before anyone is told of it", async () => {
    await warnAtCommit("ledger_entry");
    let transactions = 0;
    const { app } = own;
    const counted = await reopenLedger({
      query: (statement, values) => app.query(statement, values),
      transaction(run) {
        transactions += 1;
        return app.transaction(run);
      },
      databaseNow: () => app.databaseNow(),
      listen: (channel, onNotify) => app.listen(channel, onNotify),
      pipeline: () => app.pipeline(),
      close: () => app.close(),
    });
    assert.equal(await counted.transact(async (tx) => tx.append(ENTRY)), 0n);
    assert.equal(transactions, 2);
    await counted.close();
  });
});

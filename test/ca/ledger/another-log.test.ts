// A log that is not the one that this process has written to before (a restored backup, a standby that lacked records) is not
// written to: its indexes would be given out a second time, and outcomes would be told of other certificates.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ledger, LedgerError } from "../../../src/ca/ledger/index.ts";
import type { Database } from "../../../src/ca/store/index.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { intentOf, openLedger, reopenLedger, START } from "./support.ts";

const sql = (text: string) => ({ name: "", text });
const ENTRY = {
  kind: "token.voided",
  time: START,
  token: "6b0f4f4e-3b0c-4e7e-9a53-0d1a7f6f6a01",
  requester: "alice",
} as const;

describe("a log that is not the one of before", () => {
  /** What a restored backup, or a standby that lacked the newest records, looks like: `size` entries, and no more. */
  const putBack = (owner: Database, size: number) =>
    owner.query(
      sql(`DELETE FROM serial WHERE log_index >= ${size}; DELETE FROM issuance WHERE log_index >= ${size};
           DELETE FROM outcome WHERE log_index >= ${size}; DELETE FROM ledger_entry WHERE log_index >= ${size};
           DELETE FROM ledger_span; UPDATE ledger_head SET size = ${size}`),
    );
  const reset = (owner: Database) =>
    owner.query(
      sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
      ),
    );
  const corrupt = (error: unknown) => error instanceof LedgerError && error.code === "MCA_LEDGER_CORRUPT";

  test("shorter than before: nothing is recorded and nothing is changed any more, and health says why", async () => {
    const own = await createTestDatabase();
    const ledger = await openLedger(own.app);
    try {
      for (let count = 0; count < 3; count += 1) await ledger.commit(intentOf());
      ledger.reportOutcome({ logIndex: 2n, result: "signed", signature: Uint8Array.of(1) });
      await putBack(own.owner, 2);
      await assert.rejects(
        ledger.transact(async (tx) => tx.append(ENTRY)),
        corrupt,
      );
      await assert.rejects(ledger.commit(intentOf()), corrupt);
      await assert.rejects(ledger.commit(intentOf()), corrupt);
      assert.equal(ledger.health().writable, false);
      assert.match(ledger.health().reason ?? "", /shorter/);
      const rows = await own.owner.query(sql("SELECT 1 FROM ledger_entry"));
      assert.equal(rows.length, 2, "an outcome of the lost record names no other one");
    } finally {
      await ledger.close();
      await own.close();
    }
  });

  test("shorter than before, and grown again by another replica: noticed on the new connection", async () => {
    const own = await createTestDatabase();
    const ledger = await openLedger(own.app);
    let other: Ledger | undefined;
    try {
      for (let count = 0; count < 3; count += 1) await ledger.commit(intentOf());
      await putBack(own.owner, 2);
      other = await reopenLedger(await own.open("mesh_ca_app"));
      for (let count = 0; count < 3; count += 1) await other.commit(intentOf());
      await other.close();
      await reset(own.owner);
      await sleep(200);
      await assert.rejects(ledger.commit(intentOf()), corrupt);
      const rows = await own.owner.query(sql("SELECT 1 FROM ledger_entry"));
      assert.equal(rows.length, 5);
    } finally {
      await ledger.close();
      await other?.close();
      await own.close();
    }
  });

  test("an administrative change counts as a record of before, and a log that only grew is taken as it is", async () => {
    const own = await createTestDatabase();
    const ledger = await openLedger(own.app);
    const other = await reopenLedger(await own.open("mesh_ca_app"));
    try {
      await ledger.commit(intentOf());
      await other.commit(intentOf());
      await ledger.transact(async (tx) => tx.append(ENTRY));
      await other.commit(intentOf());
      await reset(own.owner);
      await sleep(200);
      const result = await ledger.commit(intentOf());
      assert.equal(result.kind, "committed");
      await ledger.transact(async (tx) => tx.append(ENTRY));
      await putBack(own.owner, 5);
      await assert.rejects(ledger.commit(intentOf()), corrupt);
    } finally {
      await ledger.close();
      await other.close();
      await own.close();
    }
  });
});

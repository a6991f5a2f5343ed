// A database that goes away while nobody wants to commit: the ledger says so, refuses at once, and comes back by itself.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { Ledger } from "../../../src/ca/ledger/index.ts";
import { type Database, openDatabase } from "../../../src/ca/store/index.ts";
import { type Logger, silentLogger } from "../../../src/runtime/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";
import { intentOf, openLedger, reopenLedger } from "./support.ts";
import { type FaultyConnection, faultyConnection } from "./support-faults.ts";

let database: TestDatabase;
let proxy: FaultyConnection;
let through: Database;
let ledger: Ledger;
let events: string[];

beforeEach(async () => {
  database = await createTestDatabase();
  await (await openLedger(database.app)).close();
  proxy = await faultyConnection(database.connectionString);
  const { connectionString } = proxy;
  through = await openDatabase({ connectionString, role: "mesh_ca_app", poolSize: 2, logger: silentLogger });
  events = [];
  const note = ({ event }: { readonly event: string }) => void events.push(event);
  const logger: Logger = { ...silentLogger, info: note, warn: note, error: note, child: () => logger };
  ledger = await reopenLedger(through, { logger });
});
afterEach(async () => {
  proxy.restore();
  await ledger.close();
  await through.close();
  await proxy.close();
  await database.close();
});

test("it is told although nobody commits, commits are refused at once, and all is well when it is back", async () => {
  assert.equal(ledger.health().writable, true);
  proxy.cut();
  await until(() => !ledger.health().writable, "the loss is noticed");
  assert.match(ledger.health().reason ?? "", /^The ledger cannot be written\. .*PostgreSQL/);
  await assert.rejects(ledger.commit(intentOf()), { code: "MCA_LEDGER_UNAVAILABLE" });
  proxy.restore();
  await until(() => ledger.health().writable, "it is back, although nobody commits");
  assert.equal(ledger.health().reason, undefined);
  assert.equal(events.at(-1), "ledger.available");
  assert.equal((await ledger.commit(intentOf())).kind, "committed");
});

test("a connection that breaks while the database is there is made anew without anybody having been refused", async () => {
  proxy.cut();
  proxy.restore();
  await until(() => events.includes("ledger.available"), "the connection is new");
  assert.equal(ledger.health().writable, true);
  assert.equal((await ledger.commit(intentOf())).kind, "committed");
});

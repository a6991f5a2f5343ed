// Two servers with one replica number on one database: the second is refused, and one that loses its number says so.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ReplicaLock } from "../../src/identity-api/replica-lock.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { until } from "../support/until.ts";

const BOUND = { timeout: 30_000 };

const taken: ReplicaLock[] = [];

async function take(on: TestDatabase, replica: number, watchMs = 20): Promise<ReplicaLock> {
  const lock = await ReplicaLock.take({ database: on.owner, replica, logger: silentLogger, watchMs });
  taken.push(lock);
  return lock;
}

/** A database of the test's own; at its end every number is given back, whatever happened. */
async function database(t: TestContext): Promise<TestDatabase> {
  const on = await createTestDatabase();
  t.after(async () => {
    for (const lock of taken.splice(0)) await lock.close();
    await on.close();
  });
  return on;
}

const HELD =
  "FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/** Cuts the connection that holds the lock, as a failover would. */
const cut = (on: TestDatabase) => on.owner.query({ name: "", text: `SELECT pg_terminate_backend(pid) ${HELD}` });

/** The processes of PostgreSQL whose connections hold the lock. */
async function holdersOf(on: TestDatabase): Promise<readonly number[]> {
  const rows = await on.owner.query<{ pid: number }>({ name: "", text: `SELECT pid ${HELD}` });
  return rows.map(({ pid }) => pid);
}

test("a number is taken once; another number is free, and so is one that was given back", BOUND, async (t) => {
  const on = await database(t);
  const first = await take(on, 1);
  try {
    await assert.rejects(take(on, 1), { code: "MCA_REPLICA_IN_USE" });
    await (await take(on, 2)).close();
    assert.equal(first.problem(), undefined);
  } finally {
    await first.close();
  }
  await (await take(on, 1)).close();
});

test("a successor waits a moment for a predecessor that is just ending", BOUND, async (t) => {
  const on = await database(t);
  const first = await take(on, 1);
  const second = take(on, 1);
  await sleep(200);
  await first.close();
  await (await second).close();
});

test("a lock that was lost with its connection is taken again", BOUND, async (t) => {
  const on = await database(t);
  const holder = await take(on, 1);
  const before = await holdersOf(on);
  await cut(on);
  await until(async () => {
    const now = await holdersOf(on);
    return now.length === 1 && now[0] !== before[0];
  }, "another connection holds it");
  assert.equal(holder.problem(), undefined);
  await assert.rejects(take(on, 1), { code: "MCA_REPLICA_IN_USE" });
  await holder.close();
});

test(
  "where another server took the number meanwhile, the loser is not ready until the number is free again",
  BOUND,
  async (t) => {
    const on = await database(t);
    // The usurper asks every 100 ms, the loser looks every 4,000: once the connection is cut, the usurper comes first.
    const loser = await take(on, 1, 4_000);
    const usurper = take(on, 1);
    await cut(on);
    const second = await usurper;
    await until(() => loser.problem()?.code === "MCA_REPLICA_IN_USE", "the loser has looked");
    await second.close();
    await until(() => loser.problem() === undefined, "the loser has it again");
    await loser.close();
  },
);

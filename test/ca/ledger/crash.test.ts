// kill -9, of PostgreSQL and of servers, in the middle of load. What was promised is there; the log is whole.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type EmbeddedPostgres, migrate, openDatabase, startEmbeddedPostgres } from "../../../src/ca/store/index.ts";
import { silentLogger, systemClock } from "../../../src/runtime/index.ts";
import { createTestDatabase, temporaryFolder } from "../../support/postgres.ts";
import { checkLog, type LoggedEntry } from "./invariants.ts";
import { intentOf, openLedger, reopenLedger } from "./support.ts";

const CHILD = fileURLToPath(new URL("./replica-child.ts", import.meta.url));

interface Replica {
  readonly child: ChildProcess;
  /** "index serial", as promised so far. */
  readonly promised: string[];
}

function startReplica(connectionString: string, name: string, inFlight = 8): Replica {
  const child = spawn(process.execPath, [CHILD, connectionString, name, String(inFlight)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const promised: string[] = [];
  let rest = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    promised.push(...lines);
  });
  return { child, promised };
}

async function promisedMore(replica: Replica, count: number): Promise<void> {
  const target = replica.promised.length + count;
  for (let waited = 0; replica.promised.length < target; waited += 10) {
    assert.ok(waited < 30_000, `only ${replica.promised.length} promises`);
    await sleep(10);
  }
}

function checkPromises(entries: readonly LoggedEntry[], replica: Replica): void {
  for (const line of replica.promised) {
    const [index = "", serial = ""] = line.split(" ");
    assert.equal(entries[Number(index)]?.fields["serial"], serial, `promised at ${index}`);
  }
}

async function ended({ child }: Replica): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

describe("replicas", () => {
  test("four processes and administrative changes at once: one dense, exact log", async () => {
    const database = await createTestDatabase();
    const ledger = await openLedger(database.app);
    const replicas = ["a", "b", "c", "d"].map((name) => startReplica(database.connectionString, name));
    for (const replica of replicas) await promisedMore(replica, 1);
    for (let sequence = 0; sequence < 20; sequence += 1) {
      await Promise.all([
        ledger.transact(async (tx) => {
          tx.append({ kind: "bundle.changed", time: sequence, sequence: String(sequence), revision: "1" });
          tx.append({ kind: "bundle.changed", time: sequence, sequence: String(sequence), revision: "2" });
        }),
        ledger.commit(intentOf()),
      ]);
    }
    for (const replica of replicas) {
      await promisedMore(replica, 200);
      replica.child.kill("SIGTERM");
    }
    await Promise.all(replicas.map(ended));
    await ledger.close();
    const entries = await checkLog(database.owner);
    for (const replica of replicas) checkPromises(entries, replica);
    const pairs = entries.filter(({ kind }) => kind === "bundle.changed").map(({ logIndex }) => logIndex);
    assert.equal(pairs.length, 40);
    for (let pair = 0; pair < 40; pair += 2) {
      assert.equal(pairs[pair + 1], (pairs[pair] ?? 0n) + 1n, "the entries of one change stand together");
    }
    await database.close();
  });

  test("kill -9 of one of two servers in the middle of a batch: its promises hold, the other goes on", async () => {
    const database = await createTestDatabase();
    await (await openLedger(database.app)).close();
    const survivor = startReplica(database.connectionString, "survivor");
    for (let round = 0; round < 3; round += 1) {
      const victim = startReplica(database.connectionString, `victim-${round}`, 32);
      await promisedMore(victim, 150);
      victim.child.kill("SIGKILL");
      await ended(victim);
      await promisedMore(survivor, 50);
      // The database may still be ending the victim's last transaction: under the head lock it is settled.
      const settled = await reopenLedger(database.app);
      await settled.commit(intentOf());
      await settled.close();
      const [rows] = [
        await database.owner.query<{ log_index: bigint; serial: string }>({
          name: "",
          text: "SELECT log_index, encode(serial, 'hex') AS serial FROM serial",
        }),
      ];
      const stored = new Map(rows.map((row) => [row.log_index.toString(), row.serial]));
      for (const line of victim.promised) {
        const [index = "", serial = ""] = line.split(" ");
        assert.equal(stored.get(index), serial);
      }
    }
    survivor.child.kill("SIGTERM");
    await ended(survivor);
    checkPromises(await checkLog(database.owner), survivor);
    await database.close();
  });
});

describe("kill -9 of PostgreSQL", () => {
  test("in the middle of batches, again and again: it recovers, servers go on, promises hold", async () => {
    const dataDir = await temporaryFolder("mesh-ca-crash-");
    let postgres: EmbeddedPostgres | undefined;
    try {
      postgres = await startEmbeddedPostgres({ dataDir, create: true, logger: silentLogger });
      const { connectionString } = postgres;
      const owner = await openDatabase({ connectionString, logger: silentLogger });
      await migrate(owner, { clock: systemClock });
      await (await openLedger(owner)).close();
      const replicas = [startReplica(connectionString, "a", 16), startReplica(connectionString, "b", 16)];
      for (let round = 0; round < 4; round += 1) {
        for (const replica of replicas) await promisedMore(replica, 100);
        const before = postgres.pid;
        process.kill(before, "SIGKILL");
        for (let waited = 0; postgres.pid === before; waited += 20) {
          assert.ok(waited < 15_000, "it was not started again");
          await sleep(20);
        }
      }
      for (const replica of replicas) {
        await promisedMore(replica, 100);
        replica.child.kill("SIGTERM");
      }
      await Promise.all(replicas.map(ended));
      const entries = await checkLog(owner);
      for (const replica of replicas) checkPromises(entries, replica);
      await owner.close();
    } finally {
      await postgres?.stop();
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});

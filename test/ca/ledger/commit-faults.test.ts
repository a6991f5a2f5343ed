// Faults between the ledger and PostgreSQL. Whatever breaks: what was answered as committed is in the log once, what was refused is
// never signed, and nothing hangs.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type CommitResult, type Intent, type Ledger, LedgerError } from "../../../src/ca/ledger/index.ts";
import { type Database, openDatabase } from "../../../src/ca/store/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { recordingLogger } from "../../support/test-log.ts";
import { until } from "../../support/until.ts";
import { checkLog } from "./invariants.ts";
import { intentOf, openLedger, reopenLedger } from "./support.ts";
import { type FaultyConnection, faultyConnection, withPipeline } from "./support-faults.ts";

const sql = (text: string) => ({ name: "", text });

interface Answer {
  readonly intent: Intent;
  readonly index?: bigint;
  readonly code?: string;
}

async function answerOf(ledger: Ledger, intent: Intent): Promise<Answer> {
  try {
    const result: CommitResult = await ledger.commit(intent);
    return result.kind === "committed" ? { intent, index: result.intent.logIndex } : { intent, code: result.kind };
  } catch (error) {
    assert.ok(error instanceof LedgerError, String(error));
    return { intent, code: error.code };
  }
}

function commitMany(ledger: Ledger, count: number): Promise<Answer[]> {
  return Promise.all(Array.from({ length: count }, () => answerOf(ledger, intentOf())));
}

/** Every answer matches the log: committed ones stand where they were said to stand, and no serial stands there twice. */
async function checkAnswers(database: Database, answers: readonly Answer[]): Promise<void> {
  const entries = await checkLog(database);
  for (const { intent, index } of answers) {
    const serial = Buffer.from(intent.fields.serial).toString("hex");
    const found = entries.filter(({ fields }) => fields["serial"] === serial);
    if (index !== undefined)
      assert.deepEqual(
        found.map(({ logIndex }) => logIndex),
        [index],
      );
    assert.ok(found.length <= 1);
  }
}

/** Collects event names. */
const eventLogger = (events: string[]) => recordingLogger((_level, { event }) => events.push(event));

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  await (await openLedger(database.app)).close();
});
afterEach(async () => {
  await checkLog(database.owner);
  await database.close();
});

describe("a COMMIT that is not one", () => {
  test("ROLLBACK as the answer to COMMIT is not committed: it is written again, once", async () => {
    let rollbacks = 3;
    const faulty = withPipeline(database.app, (pipeline) => ({
      ...pipeline,
      get alive() {
        return pipeline.alive;
      },
      // The server's honest answer to a COMMIT of a failed transaction, without an error anywhere.
      send: (statement, values) =>
        statement.name === "ledger_commit" && rollbacks-- > 0
          ? pipeline.send({ name: "", text: "ROLLBACK" })
          : pipeline.send(statement, values),
    }));
    const ledger = await reopenLedger(faulty);
    const answers = await commitMany(ledger, 4);
    await ledger.close();
    await checkAnswers(database.owner, answers);
    // It is refused by the database, split, and each part tried again: nobody is told "committed" for a rollback.
    assert.equal((await checkLog(database.owner)).length, answers.filter(({ index }) => index !== undefined).length);
  });

  test("a WARNING on COMMIT is read back before anyone is told", async () => {
    await database.owner.query(
      sql(`CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'not replicated'; RETURN NULL; END $$;
           CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON serial DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()`),
    );
    const events: string[] = [];
    const ledger = await reopenLedger(database.app, { logger: eventLogger(events) });
    const answers = await commitMany(ledger, 5);
    assert.ok(answers.every(({ index }) => index !== undefined));
    assert.ok(events.includes("ledger.read-back"));
    await ledger.close();
    await checkAnswers(database.owner, answers);
  });

  test("an error on COMMIT is not committed", async () => {
    await database.owner.query(
      sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT spiffe_id FROM issuance WHERE log_index = new.log_index) LIKE '%refused' THEN RAISE EXCEPTION 'refused at the end'; END IF;
             RETURN NULL; END $$;
           CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON serial DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`),
    );
    const ledger = await reopenLedger(database.app);
    const answers = await Promise.all(
      ["a", "b", "refused", "c"].map((name) =>
        answerOf(ledger, intentOf({ spiffeId: `spiffe://example.test/${name}` })),
      ),
    );
    assert.deepEqual(
      answers.map(({ code }) => code),
      [undefined, undefined, "MCA_LEDGER_UNAVAILABLE", undefined],
    );
    await ledger.close();
    await checkAnswers(database.owner, answers);
  });
});

describe("a connection that breaks", () => {
  let proxy: FaultyConnection;
  let through: Database;
  let events: string[];
  let opened: Ledger[];
  const open = async (options: { commitTimeoutMs?: number } = {}): Promise<Ledger> => {
    const ledger = await reopenLedger(through, {
      logger: eventLogger(events),
      ...options,
    });
    opened.push(ledger);
    return ledger;
  };
  beforeEach(async () => {
    events = [];
    opened = [];
    proxy = await faultyConnection(database.connectionString);
    through = await openDatabase({
      connectionString: proxy.connectionString,
      role: "mesh_ca_app",
      poolSize: 4,
      logger: silentLogger,
    });
  });
  afterEach(async () => {
    proxy.restore();
    // Of a test that failed, too: an open ledger keeps this process for ever.
    for (const ledger of opened) await ledger.close();
    await through.close();
    await proxy.close();
  });

  const losses = [
    { fault: "lost-before", name: "before COMMIT arrived: read back, written again, answered once" },
    { fault: "lost-after", name: "after PostgreSQL committed: read back and answered, not written twice" },
  ] as const;
  for (const { fault, name } of losses) {
    test(name, async () => {
      const ledger = await open();
      proxy.faults.push(fault, fault);
      const answers = await commitMany(ledger, 20);
      assert.ok(
        answers.every(({ index }) => index !== undefined),
        JSON.stringify(answers.map(({ code }) => code)),
      );
      assert.ok(events.includes("ledger.read-back"));
      await ledger.close();
      await checkAnswers(database.owner, answers);
      assert.equal((await checkLog(database.owner)).length, 20);
    });
  }

  test("after PostgreSQL committed, while another replica writes on: the read-back looks at its own index", async () => {
    const ledger = await open();
    const other = await reopenLedger(database.app);
    proxy.faults.push("lost-after", "lost-before", "lost-after");
    const [answers, others] = await Promise.all([
      commitMany(ledger, 30),
      (async () => {
        const all: Answer[] = [];
        for (let round = 0; round < 30; round += 1) all.push(...(await commitMany(other, 5)));
        return all;
      })(),
    ]);
    assert.ok([...answers, ...others].every(({ index }) => index !== undefined));
    await Promise.all([ledger.close(), other.close()]);
    await checkAnswers(database.owner, [...answers, ...others]);
  });

  test("a token redeemed in a commit whose answer is lost is redeemed for its own key only", async () => {
    const secret = Buffer.alloc(32, 7);
    await database.owner.query(
      sql(`INSERT INTO join_token (secret_sha256, id, attestor, attributes, created_at, created_by, expires_at)
           VALUES ($1, $2, 'token', '{}', '2026-01-01', 'test', '2030-01-01')`),
      [secret, randomUUID()],
    );
    const ledger = await open();
    proxy.faults.push("lost-after");
    const answers = await Promise.all(
      ["a", "b", "c"].map((key) =>
        answerOf(
          ledger,
          intentOf({
            spkiSha256: key.repeat(64),
            lineage: { kind: "open", id: randomUUID() },
            token: { secretSha256: secret },
          }),
        ),
      ),
    );
    assert.equal(answers.filter(({ index }) => index !== undefined).length, 1);
    assert.equal(answers.filter(({ code }) => code === "MCA_TOKEN_REDEEMED").length, 2);
    await ledger.close();
  });

  test("a database that is away: refused soon, at once afterwards; and it goes on by itself when the database is back", async () => {
    const ledger = await open({ commitTimeoutMs: 3_000 });
    proxy.cut();
    const first = await answerOf(ledger, intentOf());
    assert.equal(first.code, "MCA_LEDGER_UNAVAILABLE");
    assert.equal(ledger.health().writable, false);
    const again = performance.now();
    assert.equal((await answerOf(ledger, intentOf())).code, "MCA_LEDGER_UNAVAILABLE");
    assert.ok(performance.now() - again < 3_000, "not after another wait of 3 s");
    proxy.restore();
    await until(() => ledger.health().writable, "the ledger goes on by itself");
    assert.ok((await answerOf(ledger, intentOf())).index !== undefined);
    assert.equal(ledger.health().reason, undefined);
    await ledger.close();
  });

  test("a connection that falls silent is given up, and another one commits before the callers' deadline", async () => {
    const ledger = await open({ commitTimeoutMs: 3_000 });
    proxy.faults.push("silence");
    const answers = await commitMany(ledger, 3);
    assert.ok(answers.every(({ index }) => index !== undefined));
    await ledger.close();
    await checkAnswers(database.owner, answers);
  });

  test("a database that stays silent: everybody is refused at the deadline, nothing hangs", async () => {
    const ledger = await open({ commitTimeoutMs: 1_000 });
    proxy.faults.push("silence", "silence", "silence", "silence", "silence", "silence");
    const answers = await commitMany(ledger, 3);
    assert.ok(answers.every(({ code }) => code === "MCA_LEDGER_UNAVAILABLE"));
    await ledger.close();
    await checkAnswers(database.owner, answers);
  });

  test("PostgreSQL committed, but the caller was refused before that was known: the record says that nothing was signed", async () => {
    const ledger = await open({ commitTimeoutMs: 3_000 });
    proxy.faults.push("lost-after-for-long");
    const answers = await commitMany(ledger, 2);
    assert.deepEqual(
      answers.map(({ code }) => code),
      ["MCA_LEDGER_UNAVAILABLE", "MCA_LEDGER_UNAVAILABLE"],
    );
    proxy.restore();
    // Both are told together, or one after the other.
    const outcomes = async () =>
      (await checkLog(database.owner)).flatMap(({ fields: { outcomes } }) => (Array.isArray(outcomes) ? outcomes : []));
    await until(async () => (await outcomes()).length >= 2, "the outcomes are recorded");
    await ledger.close();
    const entries = await checkLog(database.owner);
    assert.deepEqual(
      entries.map(({ kind }) => kind).filter((kind) => kind !== "svid.outcome"),
      ["svid.x509", "svid.x509"],
    );
    assert.deepEqual(await outcomes(), [
      { index: "0", result: "failed" },
      { index: "1", result: "failed" },
    ]);
  });

  test("closing while the database is away ends in time", async () => {
    const ledger = await open();
    proxy.cut();
    const answer = answerOf(ledger, intentOf());
    await sleep(20);
    const begun = performance.now();
    await ledger.close();
    assert.ok(performance.now() - begun < 11_000);
    assert.equal((await answer).code, "MCA_LEDGER_UNAVAILABLE");
  });

  test("an administrative change whose COMMIT answer is lost is looked up in the log", async () => {
    const ledger = await open();
    const change = () =>
      ledger.transact(async (tx) => tx.append({ kind: "bundle.changed", time: 0, sequence: "1", revision: "1" }));
    proxy.poolFaults.push("lost-after");
    assert.equal(await change(), 0n);
    proxy.poolFaults.push("lost-before");
    await assert.rejects(change(), { code: "MCA_LEDGER_UNAVAILABLE" });
    assert.equal((await checkLog(database.owner)).length, 1);
    assert.equal(await change(), 1n);
    await ledger.close();
  });
});

describe("backends and roles", () => {
  test("kill of the backend in the middle of load: every answer is the truth", async () => {
    const ledger = await reopenLedger(database.app);
    const answers: Answer[] = [];
    let over = false;
    const killer = (async () => {
      while (!over) {
        await sleep(15);
        await database.owner.query(
          sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%ledger%' AND pid <> pg_backend_pid() AND datname = current_database()",
          ),
        );
      }
    })();
    for (let round = 0; round < 40; round += 1) answers.push(...(await commitMany(ledger, 8)));
    over = true;
    await killer;
    await ledger.close();
    await checkAnswers(database.owner, answers);
    assert.ok(answers.filter(({ index }) => index !== undefined).length > answers.length / 2);
  });

  test("somebody who holds the head lock too long delays, and then does not break, the commits", async () => {
    const ledger = await reopenLedger(database.app);
    const held = Promise.withResolvers<void>();
    const letGo = Promise.withResolvers<void>();
    const slow = ledger.transact(async () => {
      held.resolve();
      await letGo.promise;
    });
    await held.promise;
    let committed = false;
    const committing = commitMany(ledger, 3).finally(() => {
      committed = true;
    });
    await sleep(400);
    assert.equal(committed, false);
    letGo.resolve();
    assert.ok((await committing).every(({ index }) => index !== undefined));
    await slow;
    await ledger.close();
  });

  test("the application may add to the ledger, and neither change nor remove nor move its head", async () => {
    const ledger = await reopenLedger(database.app);
    await commitMany(ledger, 2);
    await ledger.close();
    for (const statement of [
      "UPDATE ledger_entry SET bytes = ''",
      "DELETE FROM ledger_entry",
      "TRUNCATE ledger_entry",
      "DELETE FROM serial",
      "UPDATE issuance SET spiffe_id = 'x'",
      "DELETE FROM outcome",
      "UPDATE ledger_head SET size = 0",
      "DROP TABLE ledger_entry",
      "DELETE FROM lineage",
    ]) {
      await assert.rejects(database.app.query(sql(statement)), { code: "MCA_DATABASE_FORBIDDEN" }, statement);
    }
    for (const statement of [
      "SELECT ledger_advance(2, 1)",
      "SELECT ledger_advance(1, 5)",
      "SELECT ledger_advance(2, 2)",
    ]) {
      await assert.rejects(database.app.query(sql(statement)), { details: { sqlState: "MC001" } }, statement);
    }
    const audit = await database.open("mesh_ca_audit");
    assert.equal((await audit.query(sql("SELECT 1 FROM issuance"))).length, 2);
    await assert.rejects(audit.query(sql("SELECT 1 FROM join_token")), { code: "MCA_DATABASE_FORBIDDEN" });
    await assert.rejects(audit.query(sql("SELECT ledger_lock_head()")), { code: "MCA_DATABASE_FORBIDDEN" });
    await assert.rejects(audit.query(sql("INSERT INTO serial VALUES ('', 1)")), { code: "MCA_DATABASE_FORBIDDEN" });
  });

  test("a head that does not match its entries refuses to open", async () => {
    const ledger = await reopenLedger(database.app);
    await commitMany(ledger, 3);
    await ledger.close();
    await database.owner.query(sql("UPDATE ledger_head SET size = 2"));
    await assert.rejects(reopenLedger(database.app), { code: "MCA_LEDGER_CORRUPT" });
    await database.owner.query(sql("UPDATE ledger_head SET size = 4"));
    await assert.rejects(reopenLedger(database.app), { code: "MCA_LEDGER_CORRUPT" });
    await database.owner.query(sql("UPDATE ledger_head SET size = 3"));
  });
});

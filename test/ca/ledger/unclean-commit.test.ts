// What the ledger does where PostgreSQL answers late, not at all, or not cleanly: nobody waits for ever, nothing is believed that
// is not durable, and it takes up its work again by itself.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ledger, LedgerError } from "../../../src/ca/ledger/index.ts";
import { type Database, StoreError } from "../../../src/ca/store/index.ts";
import type { Pipeline } from "../../../src/ca/store/pipeline.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";
import { intentOf, openLedger } from "./support.ts";

const sql = (text: string) => ({ name: "", text });
const POISON = { spiffeId: "spiffe://example.test/poison" };

let own: TestDatabase;
let ledger: Ledger | undefined;

beforeEach(async () => {
  own = await createTestDatabase();
});
afterEach(async () => {
  await ledger?.close();
  ledger = undefined;
  await own.close();
});

/** The database, but for what `changes` say. */
function changed(database: Database, changes: Partial<Database>): Database {
  return {
    query: (statement, values) => database.query(statement, values),
    transaction: (run) => database.transaction(run),
    databaseNow: () => database.databaseNow(),
    listen: (channel, onNotify) => database.listen(channel, onNotify),
    pipeline: () => database.pipeline(),
    close: () => database.close(),
    ...changes,
  };
}

function changedPipeline(pipeline: Pipeline, changes: Partial<Pipeline>): Pipeline {
  return {
    send: (statement, values) => pipeline.send(statement, values),
    together: (run) => pipeline.together(run),
    takeWarnings: () => pipeline.takeWarnings(),
    get alive() {
      return pipeline.alive;
    },
    destroy: () => pipeline.destroy(),
    close: () => pipeline.close(),
    ...changes,
  };
}

const lostAnswer = () => new StoreError("MCA_DATABASE_UNAVAILABLE", "The connection was lost.");

/** Answers "ok", the code of the refusal, or "hangs". */
function codeOf(attempt: Promise<unknown>, withinMs = 8_000): Promise<string> {
  const answer = attempt.then(
    () => "ok",
    (error: unknown) => (error instanceof LedgerError ? error.code : String(error)),
  );
  return Promise.race([answer, sleep(withinMs, "hangs", { ref: false })]);
}

async function poisonWith(sqlState: string): Promise<void> {
  await own.owner.query(
    sql(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN IF new.spiffe_id LIKE '%poison' THEN RAISE EXCEPTION 'poison' USING ERRCODE = '${sqlState}'; END IF; RETURN new; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON issuance FOR EACH ROW EXECUTE FUNCTION poison()`),
  );
}

/** A pipeline that says nothing any more, until it is cut. */
function silent(pipeline: Pipeline): Pipeline {
  const cut = Promise.withResolvers<never>();
  cut.promise.catch(() => {});
  return changedPipeline(pipeline, {
    send: () => cut.promise,
    destroy() {
      pipeline.destroy();
      cut.reject(lostAnswer());
    },
  });
}

test("parts of a refused batch, each with its COMMIT's answer lost: each is read back before the next is written", async () => {
  await poisonWith("P0001");
  let toLose = 3;
  const database = changed(own.app, {
    async pipeline() {
      const pipeline = await own.app.pipeline();
      return changedPipeline(pipeline, {
        async send(statement, values) {
          const answer = await pipeline.send(statement, values);
          if (statement.name !== "ledger_commit" || answer.command !== "COMMIT" || toLose === 0) return answer;
          toLose -= 1;
          throw lostAnswer();
        },
      });
    },
  });
  ledger = await openLedger(database);
  const commits = [intentOf(), intentOf(), intentOf(), intentOf(POISON)].map((intent) =>
    codeOf(ledger?.commit(intent) ?? Promise.reject(new Error("closed"))),
  );
  assert.deepEqual(await Promise.all(commits), ["ok", "ok", "ok", "MCA_LEDGER_UNAVAILABLE"]);
  const [count] = await own.owner.query<{ count: bigint }>(sql("SELECT count(*) FROM issuance"));
  assert.equal(count?.count, 3n, "each once");
});

test("a server that falls silent after the handshake is given up on, and the ledger goes on with the next", async () => {
  let opened = 0;
  let first: Pipeline | undefined;
  const database = changed(own.app, {
    async pipeline() {
      const pipeline = await own.app.pipeline();
      opened += 1;
      first ??= pipeline;
      return opened === 2 ? silent(pipeline) : pipeline;
    },
  });
  ledger = await openLedger(database, { commitTimeoutMs: 400 });
  first?.destroy();
  await codeOf(ledger.commit(intentOf()));
  const again = ledger;
  await until(async () => (await codeOf(again.commit(intentOf()))) === "ok", "it commits again");
});

test("a server that falls silent while a batch is read back is given up on, and the next is asked", async () => {
  let lose = true;
  let opened = 0;
  const database = changed(own.app, {
    async pipeline() {
      const pipeline = await own.app.pipeline();
      opened += 1;
      const mute = opened === 2;
      return changedPipeline(pipeline, {
        destroy: () => pipeline.destroy(),
        async send(statement, values) {
          if (mute && statement.name === "ledger_leaf_at") {
            return new Promise((_, reject) => {
              const look = setInterval(() => {
                if (pipeline.alive) return;
                clearInterval(look);
                reject(lostAnswer());
              }, 20);
            });
          }
          const answer = await pipeline.send(statement, values);
          if (statement.name !== "ledger_commit" || !lose) return answer;
          lose = false;
          throw lostAnswer();
        },
      });
    },
  });
  ledger = await openLedger(database, { commitTimeoutMs: 400 });
  await codeOf(ledger.commit(intentOf()));
  const again = ledger;
  await until(async () => (await codeOf(again.commit(intentOf()))) === "ok", "it commits again");
  assert.equal(ledger.health().writable, true);
});

test("a batch without a partition, and a database that fails while one is made: refused or retried, never left waiting", async () => {
  await poisonWith("23514");
  let failing = false;
  const database = changed(own.app, {
    async query(statement, values) {
      if (failing && statement.name === "ledger_ensure_partitions") throw lostAnswer();
      return own.app.query(statement, values);
    },
  });
  ledger = await openLedger(database, { commitTimeoutMs: 1_000 });
  failing = true;
  assert.equal(await codeOf(ledger.commit(intentOf(POISON))), "MCA_LEDGER_UNAVAILABLE");
  failing = false;
  const again = ledger;
  await until(async () => (await codeOf(again.commit(intentOf()))) === "ok", "it commits again");
});

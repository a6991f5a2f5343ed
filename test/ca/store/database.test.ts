import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openDatabase, sqlTime } from "../../../src/ca/store/index.ts";
import { isConnectionLoss, toStoreError } from "../../../src/ca/store/pg-errors.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { until } from "../../support/until.ts";
import { faultyConnection } from "../ledger/support-faults.ts";

const sql = (text: string) => ({ name: "", text });
/** The backend of this file's query that does not end; other files' tests run on the same server. */
const SLEEPER =
  "FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()";
const TIME = Date.UTC(2026, 6, 1, 12, 0, 0, 7);

let database: TestDatabase;
before(async () => {
  database = await createTestDatabase();
});
after(() => database.close());

describe("values", () => {
  test("int8 is a bigint, timestamptz Unix milliseconds, bytea bytes, jsonb an object, and so in arrays", async () => {
    const [row] = await database.app.query<Record<string, unknown>>(
      sql(`SELECT 9223372036854775807::int8 AS big, $1::timestamptz AS time, $2::bytea AS bytes, '{"a": [1]}'::jsonb AS json,
                  ARRAY[1, -2]::int8[] AS bigs, ARRAY[$1::timestamptz] AS times, ARRAY[$2::bytea, ''] AS list, '{}'::bytea[] AS none,
                  true AS yes, NULL::int8 AS nothing, ARRAY['a,"b', 'c\\d'] AS texts`),
      [sqlTime(TIME), Uint8Array.of(0, 255)],
    );
    assert.deepEqual(row, {
      big: 9_223_372_036_854_775_807n,
      time: TIME,
      bytes: Uint8Array.of(0, 255),
      json: { a: [1] },
      bigs: [1n, -2n],
      times: [TIME],
      list: [Uint8Array.of(0, 255), new Uint8Array()],
      none: [],
      yes: true,
      nothing: null,
      texts: ['a,"b', "c\\d"],
    });
  });

  test("a time outside of what the program can hold is an error, not a wrong time", async () => {
    await assert.rejects(database.app.query(sql("SELECT 'infinity'::timestamptz")));
  });

  test("databaseNow is the database's clock in milliseconds", async () => {
    assert.ok(Math.abs((await database.app.databaseNow()) - Date.now()) < 5_000);
  });
});

describe("transactions", () => {
  before(() => database.owner.query(sql("CREATE TABLE t (v integer PRIMARY KEY); GRANT ALL ON t TO mesh_ca_app")));

  test("commit together, roll back together, and end when they have ended", async () => {
    let leaked: Parameters<Parameters<typeof database.app.transaction>[0]>[0] | undefined;
    await database.app.transaction(async (tx) => {
      leaked = tx;
      await tx.query(sql("INSERT INTO t VALUES (1)"));
    });
    await assert.rejects(
      database.app.transaction(async (tx) => {
        await tx.query(sql("INSERT INTO t VALUES (2)"));
        throw new TypeError("changed my mind");
      }),
      TypeError,
    );
    assert.deepEqual(await database.app.query(sql("SELECT v FROM t")), [{ v: 1 }]);
    await assert.rejects(leaked?.query(sql("SELECT 1")) ?? Promise.resolve(), TypeError);
  });

  test("a swallowed error inside does not let COMMIT pass for one: PostgreSQL answers ROLLBACK, we throw", async () => {
    await assert.rejects(
      database.app.transaction(async (tx) => {
        await tx.query(sql("INSERT INTO t VALUES (3)"));
        await tx.query(sql("INSERT INTO t VALUES (3)")).catch(() => {});
      }),
      { code: "MCA_DATABASE_STATEMENT", message: /ROLLBACK/ },
    );
    assert.deepEqual(await database.app.query(sql("SELECT v FROM t WHERE v = 3")), []);
  });

  test("a WARNING on COMMIT is not a clean answer", async () => {
    await database.owner.query(
      sql(`CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'not replicated'; RETURN NULL; END $$;
           CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()`),
    );
    await assert.rejects(
      database.app.transaction((tx) => tx.query(sql("INSERT INTO t VALUES (4)"))),
      { code: "MCA_DATABASE_UNAVAILABLE", message: /not replicated/ },
    );
  });

  test("errors carry the SQLSTATE and the statement's name, never its values", async () => {
    await database.app.query({ name: "insert_t", text: "INSERT INTO t VALUES ($1)" }, [77]).catch(() => {});
    await assert.rejects(
      database.app.query({ name: "insert_t", text: "INSERT INTO t VALUES ($1)" }, [1]),
      (error: Error & { details?: Record<string, string> }) => {
        assert.equal(error.details?.["sqlState"], "23505");
        assert.match(error.message, /insert_t/);
        return true;
      },
    );
  });
});

describe("connections", () => {
  test("a role that the database does not have, and a login that does not exist, are named", async () => {
    const options = { connectionString: database.connectionString, logger: silentLogger };
    await assert.rejects(
      openDatabase({ ...options, connectionString: options.connectionString.replace("mesh_ca_owner", "nobody") }),
      {
        code: "MCA_DATABASE_FORBIDDEN",
      },
    );
    const gone = options.connectionString.replace(/\/test_\w+/, "/no_such_database");
    await assert.rejects(openDatabase({ ...options, connectionString: gone }), { code: "MCA_DATABASE_FORBIDDEN" });
    await database.owner.query(sql("CREATE ROLE outsider LOGIN")).catch(() => {});
    const outsider = options.connectionString.replace("mesh_ca_owner", "outsider");
    await assert.rejects(openDatabase({ ...options, connectionString: outsider, role: "mesh_ca_app" }), {
      code: "MCA_DATABASE_FORBIDDEN",
      message: /GRANT mesh_ca_app/,
    });
  });

  test("a backend that is killed under a query fails that query; the next has a new connection; the process lives", async () => {
    const slow = assert.rejects(database.app.query(sql("SELECT pg_sleep(20)")), { code: "MCA_DATABASE_UNAVAILABLE" });
    await until(
      async () => (await database.owner.query(sql(`SELECT pg_terminate_backend(pid) ${SLEEPER}`))).length > 0,
      "it runs",
    );
    await slow;
    assert.deepEqual(await database.app.query(sql("SELECT 1 AS one")), [{ one: 1 }]);
  });

  test("a connection that breaks while it is lent out fails its query; the process lives", async () => {
    const proxy = await faultyConnection(database.connectionString);
    const through = await openDatabase({ connectionString: proxy.connectionString, logger: silentLogger });
    const slow = assert.rejects(through.query(sql("SELECT pg_sleep(20)")), { code: "MCA_DATABASE_UNAVAILABLE" });
    await until(async () => (await database.owner.query(sql(`SELECT 1 ${SLEEPER}`))).length > 0, "it runs");
    proxy.cut();
    await slow;
    proxy.restore();
    assert.deepEqual(await through.query(sql("SELECT 1 AS one")), [{ one: 1 }]);
    await through.close();
    await proxy.close();
  });

  test("LISTEN hears, and after a lost connection listens again and says so", async () => {
    const heard: string[] = [];
    const subscription = await database.app.listen("mesh_ca_test", (payload) => heard.push(payload));
    const heardOf = (payload: string) => until(() => heard.includes(payload), `"${payload}" is heard`);
    await database.app.query(sql("SELECT pg_notify('mesh_ca_test', 'first')"));
    await heardOf("first");
    await database.owner.query(
      sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
      ),
    );
    await heardOf("");
    await database.app.query(sql("SELECT pg_notify('mesh_ca_test', 'second')"));
    await heardOf("second");
    await subscription.close();
  });

  test("the pipeline answers in order, raw, and its socket is where it was", async () => {
    const pipeline = await database.app.pipeline();
    const [one, failed, three] = await pipeline.together(() =>
      Promise.allSettled([
        pipeline.send(sql("SELECT 1, NULL, true, '\\x00ff'::bytea")),
        pipeline.send(sql("SELECT 1/0")),
        pipeline.send(sql("SELECT 3")),
      ]),
    );
    assert.deepEqual(one?.status === "fulfilled" && one.value.rows, [["1", null, "t", "\\x00ff"]]);
    assert.equal(failed?.status, "rejected");
    assert.deepEqual(three?.status === "fulfilled" && three.value.rows, [["3"]]);
    const waiting = pipeline.send(sql("SELECT pg_sleep(20)"));
    pipeline.destroy();
    await assert.rejects(waiting, { code: "MCA_DATABASE_UNAVAILABLE" });
    assert.equal(pipeline.alive, false);
  });
});

test("a disk without room is told as such", () => {
  const full = Object.assign(new Error("could not extend file: No space left on device"), {
    severity: "ERROR",
    code: "53100",
  });
  const error = toStoreError(full, "the statement ledger_write");
  assert.equal(error.code, "MCA_DATABASE_UNAVAILABLE");
  assert.match(error.message, /^The database has no room left on its disk .*No space left on device\. Make room/);
  assert.ok(isConnectionLoss(error), "a connection in the midst of a failed transaction is not used again");
});

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { checkSchema, type Database, migrate } from "../../../src/ca/store/index.ts";
import { readMigrations } from "../../../src/ca/store/migrations.ts";
import { systemClock } from "../../../src/runtime/index.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";

const clock = systemClock;

describe("migrations", () => {
  let fresh: TestDatabase;
  let database: Database;
  before(async () => {
    fresh = await createTestDatabase({ empty: true });
    database = fresh.owner;
  });
  after(() => fresh.close());

  test("a database without tables is too old, and the sentence says what to run", async () => {
    await assert.rejects(checkSchema(database), { code: "MCA_SCHEMA_TOO_OLD", message: /mesh-ca db migrate/ });
  });

  test("eight processes that migrate at once apply each migration once", async () => {
    const results = await Promise.all(Array.from({ length: 8 }, () => migrate(database, { clock })));
    const known = await readMigrations();
    assert.deepEqual(
      results.flatMap(({ applied }) => applied).sort(),
      known.map(({ id }) => id),
    );
    await checkSchema(database);
  });

  test("a failed migration leaves nothing behind, not even its row", async () => {
    const known = await readMigrations();
    const next = {
      id: known.length + 1,
      name: "9999_broken",
      breaking: false,
      sql: "CREATE TABLE half (); SELECT 1/0",
    };
    await assert.rejects(migrate(database, { clock, migrations: [...known, next] }), {
      code: "MCA_DATABASE_STATEMENT",
    });
    const rows = await database.query<{ half: string | null; rows: bigint }>({
      name: "",
      text: "SELECT to_regclass('half')::text AS half, count(*) AS rows FROM mesh_ca_migration",
    });
    assert.deepEqual(rows, [{ half: null, rows: BigInt(known.length) }]);
  });

  test("a newer migration that is not breaking is allowed", async () => {
    const known = await readMigrations();
    const next = { id: known.length + 1, name: "9998_newer", breaking: false, sql: "CREATE TABLE newer ()" };
    assert.deepEqual((await migrate(database, { clock, migrations: [...known, next] })).applied, [next.id]);
    await checkSchema(database);
    assert.deepEqual((await migrate(database, { clock })).applied, []);
  });

  test("a newer breaking migration refuses, to serve and to migrate", async () => {
    const known = await readMigrations();
    const insert =
      "INSERT INTO mesh_ca_migration (id, name, breaking, applied_at) VALUES (99, '0099_x', true, '2026-01-01')";
    await database.query({ name: "", text: insert });
    await assert.rejects(checkSchema(database), { code: "MCA_SCHEMA_TOO_NEW", message: /0099_x/ });
    await assert.rejects(migrate(database, { clock }), { code: "MCA_SCHEMA_TOO_NEW" });
    await database.query({ name: "", text: "DELETE FROM mesh_ca_migration WHERE id > $1" }, [known.length]);
  });

  test("a database with another migration under the same number is refused", async () => {
    const other = [{ id: 1, name: "0001_other", breaking: false, sql: "" }];
    await assert.rejects(checkSchema(database, { migrations: other }), { code: "MCA_SCHEMA_TOO_NEW" });
  });
});

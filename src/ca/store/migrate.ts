// Brings the schema up to this program, or says that it cannot be: forward only, under an advisory lock, each migration in
// one transaction whose first act is its own row. `mesh-ca db migrate` runs it as owner; embedded mode calls the same code; a server
// on somebody's PostgreSQL only checks.
import { type Clock, formatTime } from "../../runtime/index.ts";
import type { Database, Queryable } from "./database.ts";
import { StoreError } from "./errors.ts";
import { type Migration, readMigrations } from "./migrations.ts";
import { sqlStateOf } from "./pg-errors.ts";
import type { SqlStatement } from "./sql-statement.ts";

/** "mesh-ca" in ASCII: the same number in every version. */
const LOCK_KEY = "30792305041040737";
const ROLES = ["mesh_ca_app", "mesh_ca_audit"] as const;
const UNDEFINED_TABLE = "42P01";

const statement = (name: string, text: string): SqlStatement => ({ name, text });
const TAKE_LOCK = statement("migration_lock", "SELECT pg_advisory_xact_lock($1::bigint)");
const CREATE_TABLE = statement(
  "",
  `CREATE TABLE IF NOT EXISTS mesh_ca_migration (
     id          integer PRIMARY KEY,
     name        text NOT NULL,
     breaking    boolean NOT NULL,
     applied_at  timestamptz NOT NULL
   )`,
);
const GRANT_TABLE = statement("", "GRANT SELECT ON mesh_ca_migration TO mesh_ca_app, mesh_ca_audit");
const LIST = statement("migration_list", "SELECT id, name, breaking FROM mesh_ca_migration ORDER BY id");
const INSERT = statement(
  "migration_insert",
  "INSERT INTO mesh_ca_migration (id, name, breaking, applied_at) VALUES ($1, $2, $3, $4)",
);
const FIND_ROLE = statement("migration_role", "SELECT 1 AS found FROM pg_roles WHERE rolname = $1");

interface AppliedMigration {
  readonly id: number;
  readonly name: string;
  readonly breaking: boolean;
}

export interface MigrateOptions {
  readonly clock: Clock;
  /** Those of the package if unset. */
  readonly migrations?: readonly Migration[];
}

/**
 * As owner: creates the roles mesh_ca_app and mesh_ca_audit where they are missing, applies what is missing. Any number of
 * processes may call it at once.
 * @throws StoreError MCA_SCHEMA_TOO_NEW, MCA_DATABASE_FORBIDDEN
 */
export async function migrate(
  database: Database,
  options: MigrateOptions,
): Promise<{ readonly applied: readonly number[] }> {
  const known = options.migrations ?? (await readMigrations());
  await underLock(database, async (tx) => {
    for (const role of ROLES) await ensureRole(tx, role);
    await tx.query(CREATE_TABLE);
    await tx.query(GRANT_TABLE);
  });
  const applied: number[] = [];
  for (const migration of known) {
    const done = await underLock(database, async (tx) => {
      const present = await tx.query<AppliedMigration>(LIST);
      refuseTooNew(present, known);
      if (present.some(({ id }) => id === migration.id)) return false;
      await tx.query(INSERT, [migration.id, migration.name, migration.breaking, formatTime(options.clock.now())]);
      await tx.query(statement("", migration.sql));
      return true;
    });
    if (done) applied.push(migration.id);
  }
  return { applied };
}

/**
 * Is the schema one that this program understands? Newer is fine as long as nothing newer is breaking.
 * @throws StoreError MCA_SCHEMA_TOO_NEW, MCA_SCHEMA_TOO_OLD
 */
export async function checkSchema(
  database: Queryable,
  options: { readonly migrations?: readonly Migration[] } = {},
): Promise<void> {
  const known = options.migrations ?? (await readMigrations());
  const present = await appliedTo(database);
  refuseTooNew(present, known);
  const missing = known.filter(({ id }) => !present.some((row) => row.id === id));
  if (missing.length > 0) {
    throw new StoreError(
      "MCA_SCHEMA_TOO_OLD",
      `The database lacks ${missing.map(({ name }) => name).join(", ")}. Run npx mesh-ca db migrate with the owner's connection string.`,
    );
  }
}

async function appliedTo(database: Queryable): Promise<readonly AppliedMigration[]> {
  try {
    return await database.query<AppliedMigration>(LIST);
  } catch (error) {
    if (sqlStateOf(error) === UNDEFINED_TABLE) return [];
    throw error;
  }
}

function refuseTooNew(present: readonly AppliedMigration[], known: readonly Migration[]): void {
  const newest = known.length;
  const breaking = present.find((row) => row.id > newest && row.breaking);
  if (breaking !== undefined) {
    throw new StoreError(
      "MCA_SCHEMA_TOO_NEW",
      `The database was migrated to ${breaking.name} by a newer mesh-ca, and this version does not understand it. Start the newer version.`,
      { details: { migration: breaking.name } },
    );
  }
  for (const row of present) {
    const mine = known[row.id - 1];
    if (mine !== undefined && mine.name !== row.name) {
      throw new StoreError(
        "MCA_SCHEMA_TOO_NEW",
        `Migration ${row.id} of the database is ${row.name}, of this program ${mine.name}: they do not belong together.`,
      );
    }
  }
}

function underLock<T>(database: Database, run: (tx: Queryable) => Promise<T>): Promise<T> {
  return database.transaction(async (tx) => {
    await tx.query(TAKE_LOCK, [LOCK_KEY]);
    return run(tx);
  });
}

async function ensureRole(tx: Queryable, role: (typeof ROLES)[number]): Promise<void> {
  const found = await tx.query(FIND_ROLE, [role]);
  if (found.length > 0) return;
  try {
    // Roles belong to the whole cluster: another database's migration may just have made it.
    await tx.query(
      statement(
        "",
        `DO $$ BEGIN CREATE ROLE ${role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$`,
      ),
    );
  } catch (cause) {
    throw new StoreError(
      "MCA_DATABASE_FORBIDDEN",
      `The role ${role} is missing and this login may not create it. Let a superuser run: CREATE ROLE mesh_ca_app NOLOGIN; CREATE ROLE mesh_ca_audit NOLOGIN;`,
      { cause },
    );
  }
}

// PostgreSQL for tests: one embedded server per test run (started by global-setup.ts), one fresh database per call, copied from
// a migrated template. A test file that is run alone starts a server of its own. It is the real embedded server with full
// durability; only its data directory is a temporary one.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import {
  type Database,
  type EmbeddedPostgres,
  migrate,
  openDatabase,
  startEmbeddedPostgres,
} from "../../src/ca/store/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";

/** Connection string (as owner) of the run's server; set by global-setup.ts for the test processes. */
export const SERVER_ENV = "MESH_CA_TEST_POSTGRES";
const TEMPLATE = "mesh_ca_template";
const MAX_CONNECTIONS = 300;

/** A folder under os.tmpdir() that PostgreSQL's own user can enter (mktemp makes 0700). Remove it yourself. */
export async function temporaryFolder(prefix = "mesh-ca-test-"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  await chmod(folder, 0o711);
  return folder;
}

export interface TestServer {
  /** As owner, of the database that `withDatabase` names. */
  readonly connectionString: string;
  close(): Promise<void>;
}

/** Starts a server in a temporary folder, with the migrated template in it. */
export async function startTestServer(): Promise<TestServer> {
  const dataDir = await temporaryFolder("mesh-ca-pg-");
  let postgres: EmbeddedPostgres | undefined;
  try {
    postgres = await startEmbeddedPostgres({
      dataDir,
      create: true,
      maxConnections: MAX_CONNECTIONS,
      logger: silentLogger,
    });
    const { connectionString } = postgres;
    await administer(connectionString, `CREATE DATABASE ${TEMPLATE}`);
    const template = await openDatabase({
      connectionString: withDatabase(connectionString, TEMPLATE),
      poolSize: 1,
      logger: silentLogger,
    });
    try {
      await migrate(template, { clock: systemClock });
    } finally {
      await template.close();
    }
  } catch (error) {
    await postgres?.stop();
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
  const started = postgres;
  return {
    connectionString: started.connectionString,
    async close() {
      await started.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

let own: Promise<TestServer> | undefined;

async function serverConnectionString(): Promise<string> {
  const shared = process.env[SERVER_ENV];
  if (shared !== undefined && shared !== "") return shared;
  own ??= startTestServer();
  return (await own).connectionString;
}

// Hooks run in the order of their registration, and this one comes first: whoever closes the last database stops the server.
let open = 0;
let over = false;

async function stopOwnWhenIdle(): Promise<void> {
  if (!over || open > 0) return;
  const server = own;
  own = undefined;
  await (await server)?.close();
}

after(async () => {
  over = true;
  await stopOwnWhenIdle();
});

export interface TestDatabase {
  /** As owner. `openDatabase({connectionString, role: "mesh_ca_app", ...})` makes of it what a server sees. */
  readonly connectionString: string;
  /** With the rights of the server (mesh_ca_app). */
  readonly app: Database;
  /** With the rights of the owner. */
  readonly owner: Database;
  /** Another pool on the same database, as another replica would have it. Closed by `close`. */
  open(role?: "mesh_ca_app" | "mesh_ca_audit"): Promise<Database>;
  /** Closes the pools and drops the database. */
  close(): Promise<void>;
}

let count = 0;

/** A fresh, migrated database. Close it in `after`. `empty`: without any migration. */
export async function createTestDatabase(options: { readonly empty?: boolean } = {}): Promise<TestDatabase> {
  const server = await serverConnectionString();
  count += 1;
  const name = `test_${process.pid}_${count}`;
  await administer(server, `CREATE DATABASE ${name} TEMPLATE ${options.empty ? "template0" : TEMPLATE}`);
  const connectionString = withDatabase(server, name);
  open += 1;
  const pools: Database[] = [];
  const openPool = async (role?: "mesh_ca_app" | "mesh_ca_audit") => {
    const pool = await openDatabase({
      connectionString,
      ...(role === undefined ? {} : { role }),
      poolSize: 8,
      applicationName: "mesh-ca test",
      logger: silentLogger,
    });
    pools.push(pool);
    return pool;
  };
  const owner = await openPool();
  const app = options.empty ? owner : await openPool("mesh_ca_app");
  return {
    connectionString,
    app,
    owner,
    open: openPool,
    async close() {
      await Promise.all(pools.map((pool) => pool.close()));
      await administer(server, `DROP DATABASE ${name} WITH (FORCE)`);
      open -= 1;
      await stopOwnWhenIdle();
    },
  };
}

/** The same server, another database. */
export function withDatabase(connectionString: string, database: string): string {
  return connectionString.replace(/\/[^/?]+\?/, `/${database}?`);
}

async function administer(connectionString: string, text: string): Promise<void> {
  const database = await openDatabase({
    connectionString: withDatabase(connectionString, "postgres"),
    poolSize: 1,
    logger: silentLogger,
  });
  try {
    await database.query({ name: "", text });
  } finally {
    await database.close();
  }
}

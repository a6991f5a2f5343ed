// The database as the rest of mesh-ca sees it: a pool of connections with one role, named statements, transactions. Nothing
// outside src/ca/store knows pg. No statement hangs: the server ends it, and where the server is silent we end the connection.
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import type { Logger } from "../../runtime/index.ts";
import { columnTypes } from "./column-types.ts";
import { connectionSettings, type DatabaseRole, type SessionLimits, sessionOptions } from "./connection-settings.ts";
import { StoreError } from "./errors.ts";
import { type Notifications, subscribe } from "./notifications.ts";
import { isConnectionLoss, toStoreError } from "./pg-errors.ts";
import { openPipeline, type Pipeline } from "./pipeline.ts";
import type { SqlStatement, SqlValue } from "./sql-statement.ts";

/**
 * Rows come as objects by column name. int8 is a `bigint`, timestamptz is Unix milliseconds (`number`), bytea is a
 * `Uint8Array`, jsonb is parsed, uuid and text are strings; arrays likewise.
 */
export interface Queryable {
  /** @throws StoreError MCA_DATABASE_UNAVAILABLE, or MCA_DATABASE_STATEMENT with `details.sqlState` */
  query<Row>(statement: SqlStatement, values?: readonly SqlValue[]): Promise<readonly Row[]>;
}

/** Queries inside one transaction (READ COMMITTED). Not usable after it ended. */
export interface Transaction extends Queryable {}

export interface Subscription {
  close(): Promise<void>;
}

export interface Database extends Queryable {
  /** BEGIN, `run`, COMMIT; ROLLBACK if `run` throws. A COMMIT that does not answer COMMIT is an error. */
  transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T>;
  /** The database's clock, Unix milliseconds. */
  databaseNow(): Promise<number>;
  /** LISTEN on a connection of its own that reconnects by itself and then calls `onNotify("")`. */
  listen(channel: string, onNotify: (payload: string) => void): Promise<Subscription>;
  /** A connection of its own on which statements are sent without waiting for the answers before. For the ledger. */
  pipeline(): Promise<Pipeline>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** postgresql://user:password@host:port/database, or ?host=/socket/folder. */
  readonly connectionString: string;
  /** Needed unless the host is a Unix socket. "plaintext" only where the configuration names it insecure. */
  readonly tls?: ConnectionOptions | "plaintext";
  /** SET ROLE at connection. Unset: the login's own rights (migrations). */
  readonly role?: DatabaseRole;
  /** Every transaction is READ ONLY: for those who look and must not change anything. */
  readonly readOnly?: boolean;
  /** Connections of the pool; 8 if unset. */
  readonly poolSize?: number;
  readonly applicationName?: string;
  readonly logger: Logger;
}

const LIMITS: SessionLimits = {
  statementTimeoutMs: 30_000,
  lockTimeoutMs: 15_000,
  idleInTransactionTimeoutMs: 30_000,
};
/** A silent server (stopped, or behind a dead network) is given up on after this. */
const SILENCE_MS = 40_000;
const CONNECT_MS = 10_000;
/** The only place where the database is asked for its time (invariant 7). */
const DATABASE_NOW: SqlStatement = {
  name: "database_now",
  text: "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now",
};
const BEGIN: SqlStatement = { name: "", text: "BEGIN" };
const ROLLBACK: SqlStatement = { name: "", text: "ROLLBACK" };

/** Connects once to prove that it works. @throws StoreError MCA_DATABASE_* */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { connectionString, tls, role, readOnly = false, poolSize = 8, applicationName = "mesh-ca", logger } = options;
  const config: pg.ClientConfig = {
    ...connectionSettings(connectionString, tls),
    options: sessionOptions(role, LIMITS, readOnly),
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: SILENCE_MS,
    keepAlive: true,
    types: columnTypes,
  };
  const pool = new pg.Pool({ ...config, max: poolSize, idleTimeoutMillis: 60_000, allowExitOnIdle: true });
  pool.on("error", (error) => {
    logger.warn({ event: "database.connection-lost", error }, "an idle connection to the database was lost");
  });
  // While a connection is lent out the pool does not listen to it, and an error without a listener ends the process. Its query
  // fails too, and says why.
  pool.on("connect", (client) => client.on("error", () => {}));
  const database = new PooledDatabase(pool, config, logger);
  try {
    await database.databaseNow();
  } catch (error) {
    await pool.end();
    throw error;
  }
  return database;
}

class PooledDatabase implements Database {
  readonly #pool: pg.Pool;
  readonly #config: pg.ClientConfig;
  readonly #logger: Logger;

  constructor(pool: pg.Pool, config: pg.ClientConfig, logger: Logger) {
    this.#pool = pool;
    this.#config = config;
    this.#logger = logger;
  }

  async query<Row>(statement: SqlStatement, values: readonly SqlValue[] = []): Promise<readonly Row[]> {
    const client = await this.#checkout();
    let failure: StoreError | undefined;
    try {
      return await send<Row>(client, statement, values);
    } catch (error) {
      failure = toStoreError(error, describe(statement));
      throw failure;
    } finally {
      client.release(isConnectionLoss(failure));
    }
  }

  async transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    const client = await this.#checkout();
    let broken = true; // until the transaction is known to have ended
    let open = true;
    const tx: Transaction = {
      async query<Row>(statement: SqlStatement, values: readonly SqlValue[] = []) {
        if (!open) throw new TypeError("the transaction has ended");
        try {
          return await send<Row>(client, statement, values);
        } catch (error) {
          throw toStoreError(error, describe(statement));
        }
      },
    };
    try {
      await tx.query(BEGIN);
      const result = await run(tx);
      open = false;
      await commit(client);
      broken = false;
      return result;
    } catch (error) {
      open = false;
      broken = !(await rollback(client));
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async databaseNow(): Promise<number> {
    const [row] = await this.query<{ now: number }>(DATABASE_NOW);
    return row?.now ?? Number.NaN;
  }

  listen(channel: string, onNotify: (payload: string) => void): Promise<Notifications> {
    return subscribe({ config: this.#config, channel, onNotify, logger: this.#logger });
  }

  pipeline(): Promise<Pipeline> {
    return openPipeline(this.#config, this.#logger);
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }

  async #checkout(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw toStoreError(error, "connecting");
    }
  }
}

async function send<Row>(client: pg.ClientBase, statement: SqlStatement, values: readonly SqlValue[]) {
  const { name, text } = statement;
  const result = await client.query({
    ...(name === "" ? {} : { name }),
    text,
    values: [...values],
  });
  // The one place where a row gets its type: the caller names the columns of its own statement.
  const rows: unknown = result.rows;
  return rows as readonly Row[];
}

/** COMMIT must answer COMMIT, without a warning: one says that it took effect here and not where it should have (a standby). */
async function commit(client: pg.ClientBase): Promise<void> {
  const warnings: string[] = [];
  const onNotice = (notice: { readonly severity?: string | undefined; readonly message?: string | undefined }) => {
    if (notice.severity === "WARNING") warnings.push(notice.message ?? "");
  };
  client.on("notice", onNotice);
  let answer: string;
  try {
    answer = (await client.query("COMMIT")).command;
  } catch (error) {
    throw toStoreError(error, "COMMIT; whether it took effect is not known");
  } finally {
    client.off("notice", onNotice);
  }
  if (answer !== "COMMIT") {
    throw new StoreError("MCA_DATABASE_STATEMENT", `The database answered ${answer} to COMMIT: nothing was changed.`);
  }
  if (warnings.length > 0) {
    // For example: committed here, but not on the standby that the configuration asks for.
    throw new StoreError(
      "MCA_DATABASE_UNAVAILABLE",
      `The database answered COMMIT with a warning (${warnings.join("; ")}): whether the change is safe is not known.`,
    );
  }
}

async function rollback(client: pg.ClientBase): Promise<boolean> {
  try {
    await client.query(ROLLBACK.text);
    return true;
  } catch {
    return false; // the connection is gone, and the transaction with it
  }
}

function describe({ name, text }: SqlStatement): string {
  return name === "" ? `the statement ${text.trim().split(/\s+/).slice(0, 3).join(" ")}…` : `the statement ${name}`;
}

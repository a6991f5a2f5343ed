// The database as the rest of mesh-ca sees it: a pool of connections with one role, named statements, transactions.
import type { ConnectionOptions } from "node:tls";
import type { Logger } from "../../runtime/index.ts";
import type { SqlStatement, SqlValue } from "./sql-statement.ts";

/**
 * Rows come as objects by column name. int8 is a `bigint`, timestamptz is Unix milliseconds (`number`), bytea is a
 * `Uint8Array`, jsonb is parsed, uuid and text are strings; arrays likewise.
 */
export interface Queryable {
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
  close(): Promise<void>;
}

export interface DatabaseOptions {
  /** postgresql://user:password@host:port/database, or ?host=/socket/folder. */
  readonly connectionString: string;
  /** Needed unless the host is a Unix socket. "plaintext" only where the configuration names it insecure. */
  readonly tls?: ConnectionOptions | "plaintext";
  /** SET ROLE after connecting. Unset: the login's own rights (migrations). */
  readonly role?: "mesh_ca_app" | "mesh_ca_audit";
  /** Connections of the pool; 8 if unset. */
  readonly poolSize?: number;
  readonly applicationName?: string;
  readonly logger: Logger;
}

/** Connects once to prove that it works. @throws StoreError MCA_DATABASE_* */
export function openDatabase(_options: DatabaseOptions): Promise<Database> {
  throw new TypeError("not yet");
}

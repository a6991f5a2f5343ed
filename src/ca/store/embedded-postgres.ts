// The embedded PostgreSQL.
import type { Logger } from "../../runtime/index.ts";

export interface EmbeddedPostgresOptions {
  /** mesh-ca's data directory; PostgreSQL's own is `pg/` in it, its socket lies in `run/pg/`. */
  readonly dataDir: string;
  /** Run initdb where there is no database yet. Only `mesh-ca init` says so. */
  readonly create?: boolean;
  /** Connections that PostgreSQL admits; 40 if unset. */
  readonly maxConnections?: number;
  readonly logger: Logger;
}

export interface EmbeddedPostgres {
  /** As owner of the database, over the Unix socket. */
  readonly connectionString: string;
  /** Process id of PostgreSQL; changes when it was started again after a crash. */
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL for this data directory; it ends when this process ends, however that happens.
 * @throws StoreError MCA_DATABASE_NOT_INITIALISED, MCA_DATA_DIR_IN_USE, MCA_DATA_DIR_UNREACHABLE, MCA_POSTGRES_FAILED
 */
export function startEmbeddedPostgres(_options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  throw new TypeError("not yet");
}

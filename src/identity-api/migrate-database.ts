// `mesh-ca db migrate`: an external database is brought to this program's schema by its owner, apart from the server.
import { migrate, openDatabase } from "../ca/index.ts";
import { type Clock, type Logger, systemClock } from "../runtime/index.ts";
import type { Config } from "./config/index.ts";
import { databaseTls } from "./open-database.ts";

export interface MigrateDatabaseOptions {
  readonly config: Config;
  /** PostgreSQL URL of the owner. A secret. */
  readonly connectionString: string;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** Applies what is missing. @throws StoreError MCA_DATABASE_*, MCA_SCHEMA_TOO_NEW */
export async function migrateDatabase(
  options: MigrateDatabaseOptions,
): Promise<{ readonly applied: readonly number[] }> {
  const { config, connectionString, logger, clock = systemClock } = options;
  const tls = await databaseTls(config);
  const owner = await openDatabase({ connectionString, tls, poolSize: 1, applicationName: "mesh-ca migrate", logger });
  try {
    return await migrate(owner, { clock });
  } finally {
    await owner.close();
  }
}

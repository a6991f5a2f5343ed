export { databaseHost } from "./connection-settings.ts";
export {
  type Database,
  type DatabaseOptions,
  openDatabase,
  type Queryable,
  type Subscription,
  type Transaction,
} from "./database.ts";
export { clusterBytes, clusterInUse, copyStoppedCluster } from "./embedded/cold-copy.ts";
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  embeddedConnectionString,
  startEmbeddedPostgres,
} from "./embedded-postgres.ts";
export { StoreError, type StoreErrorCode } from "./errors.ts";
export { checkSchema, type MigrateOptions, migrate } from "./migrate.ts";
export { sqlStateOf } from "./pg-errors.ts";
export { type SqlStatement, type SqlValue, sqlTime } from "./sql-statement.ts";

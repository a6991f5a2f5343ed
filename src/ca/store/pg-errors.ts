// From what pg throws to what the rest of mesh-ca understands.
import { errnoOf } from "./embedded/errno.ts";
import { StoreError } from "./errors.ts";
import { unverified } from "./unverified.ts";

/** SQLSTATE of a refused statement, kept in `details.sqlState`. */
export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof StoreError ? error.details["sqlState"] : undefined;
}

// 08 connection, 25006 read-only (a standby), 25P0x ended by a timeout, 53 out of resources, 57P0x shutting down or starting, 58 system
const UNAVAILABLE = /^(08...|25006|25P0[34]|53...|57P..|58...)$/;
const DISK_FULL = "53100";
/** Statement and lock timeouts: the connection lives on. */
const TIMEOUTS = new Set(["57014", "55P03"]);
const LOGIN = /^(28...|3D000)$/;
const FORBIDDEN = new Set(["42501", "0LP01"]);
const NO_TABLE = new Set(["42P01", "3F000"]);

/** Wraps an error of pg. A StoreError stays what it is. `doing` says what we were about to do. */
export function toStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  // An error of the server has a severity; "EPIPE" looks like an SQLSTATE but is the system's.
  const fromServer = typeof error === "object" && error !== null && "severity" in error;
  const sqlState = fromServer ? errnoOf(error) : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error, ...(sqlState === undefined ? {} : { details: { sqlState } }) };
  const impostor = fromServer ? undefined : unverified(error, { cause: error });
  if (impostor !== undefined) return impostor;
  if (sqlState === DISK_FULL) {
    return new StoreError(
      "MCA_DATABASE_UNAVAILABLE",
      `The database has no room left on its disk (${doing}): ${message}. Make room there; nothing has to be restarted.`,
      options,
    );
  }
  if (sqlState === undefined || UNAVAILABLE.test(sqlState)) {
    return new StoreError(
      "MCA_DATABASE_UNAVAILABLE",
      `The database did not answer (${doing}): ${message}. Check that PostgreSQL runs and can be reached.`,
      options,
    );
  }
  if (TIMEOUTS.has(sqlState)) {
    return new StoreError(
      "MCA_DATABASE_UNAVAILABLE",
      `The database took too long (${doing}): ${message}. Look for long transactions and for its load.`,
      options,
    );
  }
  if (LOGIN.test(sqlState)) {
    return new StoreError(
      "MCA_DATABASE_FORBIDDEN",
      `The database refused the login: ${message}. Check user, password and database in the connection string.`,
      options,
    );
  }
  if (FORBIDDEN.has(sqlState) || /role "mesh_ca_\w+" does not exist|permission denied to set role/.test(message)) {
    return new StoreError(
      "MCA_DATABASE_FORBIDDEN",
      `The database login lacks a right (${doing}): ${message}. Let the database's owner run npx mesh-ca db migrate, and a superuser: GRANT mesh_ca_app TO the login of the URL.`,
      options,
    );
  }
  if (NO_TABLE.has(sqlState)) {
    return new StoreError(
      "MCA_SCHEMA_TOO_OLD",
      `The database lacks what this mesh-ca needs (${doing}): ${message}. Run npx mesh-ca db migrate as the owner.`,
      options,
    );
  }
  return new StoreError("MCA_DATABASE_STATEMENT", `The database refused ${doing}: ${message}`, options);
}

/** True where the connection, not the statement, is to blame: it must not be used again. */
export function isConnectionLoss(error: unknown): boolean {
  return (
    error instanceof StoreError && error.code === "MCA_DATABASE_UNAVAILABLE" && !TIMEOUTS.has(sqlStateOf(error) ?? "")
  );
}

// Migrations.
import type { Clock } from "../../runtime/index.ts";
import type { Database } from "./database.ts";

/** As owner: creates the roles, applies what is missing, one advisory lock. @throws StoreError MCA_SCHEMA_TOO_NEW */
export function migrate(
  _database: Database,
  _options: { readonly clock: Clock },
): Promise<{ readonly applied: readonly number[] }> {
  throw new TypeError("not yet");
}

/** Is the schema one that this program understands? @throws StoreError MCA_SCHEMA_TOO_NEW, MCA_SCHEMA_TOO_OLD, MCA_DATABASE_NOT_INITIALISED */
export function checkSchema(_database: Database): Promise<void> {
  throw new TypeError("not yet");
}

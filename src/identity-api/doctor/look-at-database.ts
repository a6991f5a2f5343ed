// The database as the doctor sees it: with the rights of the application and READ ONLY. The embedded one is reached as a second
// client over the socket of the PostgreSQL that the running server holds; where the server is stopped, it is not started.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Database, databaseHost, embeddedConnectionString, openDatabase } from "../../ca/index.ts";
import { type Lifecycle, MeshCaError, silentLogger } from "../../runtime/index.ts";
import { type Config, databaseUrl } from "../config/index.ts";
import type { DataDir } from "../data-dir.ts";
import { databaseTls } from "../open-database.ts";
import { type Finding, problem, skipped } from "./result.ts";
import type { DatabaseLook } from "./world.ts";

/** Opens the database if it is there. Never throws. */
export async function lookAtDatabase(config: Config, dir: DataDir, lifecycle: Lifecycle): Promise<DatabaseLook> {
  try {
    const url = await databaseUrl(config);
    if (url !== undefined) {
      const connecting = { connectionString: url, tls: await databaseTls(config) };
      const database = await open(connecting, lifecycle);
      return { kind: "open", database, how: "the PostgreSQL of the configuration", host: databaseHost(url) };
    }
    return await lookAtEmbedded(dir, lifecycle);
  } catch (error) {
    return { kind: "absent", finding: unreachable(error) };
  }
}

async function lookAtEmbedded(dir: DataDir, lifecycle: Lifecycle): Promise<DatabaseLook> {
  if (!(await isThere(join(dir.path, "pg", "PG_VERSION")))) {
    return {
      kind: "absent",
      finding: problem(
        "failed",
        `There is no database in ${join(dir.path, "pg")}`,
        "the embedded database of the trust domain",
        "npx mesh-ca init for a new trust domain; otherwise restore the backup (docs/disaster-recovery.md)",
      ),
    };
  }
  if (!(await isThere(join(dir.path, "run", "pg", ".s.PGSQL.5432")))) {
    return {
      kind: "absent",
      finding: skipped(
        "The embedded database runs only while its server does, and the doctor does not start it.",
        "npx mesh-ca server, then npx mesh-ca doctor again",
      ),
    };
  }
  const connectionString = await embeddedConnectionString(dir.path);
  const database = await open({ connectionString }, lifecycle);
  return { kind: "open", database, how: "the server's own PostgreSQL", host: undefined };
}

async function open(
  connecting: Pick<Parameters<typeof openDatabase>[0], "connectionString" | "tls">,
  lifecycle: Lifecycle,
): Promise<Database> {
  const database = await openDatabase({
    ...connecting,
    role: "mesh_ca_app",
    readOnly: true,
    poolSize: 1,
    applicationName: "mesh-ca doctor",
    logger: silentLogger,
  });
  lifecycle.add("database", () => database.close());
  return database;
}

function unreachable(error: unknown): Finding {
  const sentence = error instanceof Error ? error.message : String(error);
  const code = error instanceof MeshCaError ? ` (${error.code})` : "";
  return problem("failed", `${sentence}${code}`, "a database that answers", undefined);
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

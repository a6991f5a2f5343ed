// The database as the doctor sees it: with the rights of the application and READ ONLY. The embedded one is reached as a second
// client over the socket of the PostgreSQL that the running server holds; where the server is stopped, a copy is looked at.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { clusterInUse, type Database, databaseHost, embeddedConnectionString, openDatabase } from "../../ca/index.ts";
import { type Lifecycle, MeshCaError, silentLogger } from "../../runtime/index.ts";
import { databaseUrl } from "../config/index.ts";
import type { DataDir } from "../data-dir.ts";
import { databaseTls } from "../open-database.ts";
import { startOnCopy } from "./database-copy.ts";
import { type Finding, problem, skipped } from "./result.ts";
import type { DatabaseLook, DoctorWorld, ServerLook } from "./world.ts";

/** Opens the database if it is there. Never throws. */
export async function lookAtDatabase(
  { config, dir, server }: Pick<DoctorWorld, "config" | "dir" | "server">,
  lifecycle: Lifecycle,
): Promise<DatabaseLook> {
  try {
    const url = await databaseUrl(config);
    if (url !== undefined) {
      const connecting = { connectionString: url, tls: await databaseTls(config) };
      const database = await open(connecting, lifecycle);
      return { kind: "open", database, how: "the PostgreSQL of the configuration", host: databaseHost(url) };
    }
    return await lookAtEmbedded(dir, server, lifecycle);
  } catch (error) {
    return { kind: "absent", finding: unreachable(error) };
  }
}

async function lookAtEmbedded(dir: DataDir, server: ServerLook, lifecycle: Lifecycle): Promise<DatabaseLook> {
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
  if (server.kind === "stopped" && !(await clusterInUse(dir.path))) {
    const copy = await startOnCopy(dir.path, lifecycle);
    if (copy.kind === "too-large") {
      return { kind: "absent", finding: skipped(copy.why, "npx mesh-ca server, then npx mesh-ca doctor again") };
    }
    const database = await open(copy, lifecycle);
    return { kind: "open", database, how: "a temporary copy of the stopped database", host: undefined };
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

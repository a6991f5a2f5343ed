// A copy of the cluster of a server that is stopped, to be looked at elsewhere: the cluster itself is only read. Nobody must use it
// meanwhile, before or after, or the copy would be of no moment.
import { chmod, constants, cp, lstat, readdir, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { StoreError } from "../errors.ts";
import { accountsFor } from "./account.ts";
import { giveTo } from "./data-directory.ts";
import { clusterHolder } from "./running-postgres.ts";

/** Bytes that the cluster of a data directory takes, so that a caller can see whether there is room. */
export async function clusterBytes(dataDir: string): Promise<number> {
  const entries = await readdir(join(dataDir, "pg"), { recursive: true, withFileTypes: true });
  const sizes = await Promise.all(
    entries.flatMap((entry) =>
      entry.isFile() ? [lstat(join(entry.parentPath, entry.name)).then(({ size }) => size)] : [],
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Whether a PostgreSQL runs on the cluster of a data directory, whoever started it. */
export async function clusterInUse(dataDir: string): Promise<boolean> {
  return clusterHolder(join(await realpath(dataDir), "pg")).kind !== "free";
}

/**
 * Copies the cluster of `dataDir` into the data directory `into`, which must be empty.
 * @throws StoreError MCA_DATA_DIR_IN_USE when somebody uses it, or came to use it meanwhile
 */
export async function copyStoppedCluster(dataDir: string, into: string): Promise<void> {
  const cluster = join(await realpath(dataDir), "pg");
  const target = join(into, "pg");
  requireUnused(cluster);
  // Reflinks where the file system has them.
  await cp(cluster, target, { recursive: true, mode: constants.COPYFILE_FICLONE, preserveTimestamps: true });
  requireUnused(cluster);
  await rm(join(target, "postmaster.pid"), { force: true });
  await chmod(target, 0o700);
  const { server } = await accountsFor(into);
  if (server.change) await giveTo(target, server);
}

function requireUnused(cluster: string): void {
  if (clusterHolder(cluster).kind === "free") return;
  throw new StoreError("MCA_DATA_DIR_IN_USE", `A PostgreSQL runs on ${cluster}: it cannot be copied. Ask it instead.`);
}

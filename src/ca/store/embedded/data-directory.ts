// The folders of the embedded PostgreSQL inside mesh-ca's data directory: `pg/` (the cluster) and `run/pg/` (its socket), both
// 0700 and owned by PostgreSQL's user. A cluster appears under its name only when it is complete.
import { execFile } from "node:child_process";
import { chmod, chown, lchown, lstat, mkdir, mkdtemp, readdir, realpath, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { StoreError } from "../errors.ts";
import { type Account, type Accounts, blockingFolder } from "./account.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { errnoOf } from "./errno.ts";

/** Owner of the cluster and of everything in it. */
export const OWNER_ROLE = "mesh_ca_owner";
export const DATABASE_NAME = "mesh_ca";
/** Linux allows 107 bytes, macOS 103. */
const MAX_SOCKET_PATH_BYTES = 103;

export interface DataFolders {
  readonly dataDir: string;
  readonly cluster: string;
  readonly socketFolder: string;
}

/** Where PostgreSQL's socket lies below a data directory without symbolic links. */
export function socketFolderOf(root: string): string {
  return join(root, "run", "pg");
}

/** Makes the folders around the cluster. @throws StoreError MCA_DATA_DIR_UNREACHABLE naming the folder that blocks */
export async function prepareFolders(dataDir: string, accounts: Accounts): Promise<DataFolders> {
  const mode = accounts.server.change ? 0o711 : 0o700;
  await makeFolder(dataDir, mode);
  const root = await realpath(dataDir);
  const blocker = await blockingFolder(root, accounts.server);
  if (blocker !== undefined) {
    throw new StoreError(
      "MCA_DATA_DIR_UNREACHABLE",
      `PostgreSQL runs as user id ${accounts.server.uid}, which may not enter ${blocker}. Give the data directory another place, such as /var/lib/mesh-ca, or run: chmod o+x ${blocker}`,
      { details: { folder: blocker, dataDir: root } },
    );
  }
  const run = join(root, "run");
  await makeFolder(run, mode);
  const socketFolder = socketFolderOf(root);
  if (Buffer.byteLength(join(socketFolder, ".s.PGSQL.5432")) > MAX_SOCKET_PATH_BYTES) {
    throw new StoreError(
      "MCA_DATA_DIR_UNREACHABLE",
      `The path of PostgreSQL's socket, ${join(socketFolder, ".s.PGSQL.5432")}, is longer than ${MAX_SOCKET_PATH_BYTES} bytes, which the system does not allow. Give the data directory a shorter path.`,
      { details: { dataDir: root } },
    );
  }
  await makeFolder(socketFolder, 0o700);
  if (accounts.server.change) await chown(socketFolder, accounts.server.uid, accounts.server.gid);
  return { dataDir: root, cluster: join(root, "pg"), socketFolder };
}

async function makeFolder(path: string, mode: number): Promise<void> {
  const created = await mkdir(path, { recursive: true, mode });
  if (created !== undefined) await chmod(path, mode); // whatever the umask
}

export async function hasCluster(folders: DataFolders): Promise<boolean> {
  return lstat(join(folders.cluster, "PG_VERSION")).then(
    () => true,
    (error: unknown) => {
      if (errnoOf(error) === "ENOENT") return false;
      throw error;
    },
  );
}

/** initdb: UTF-8, locale C, data checksums, synced to disk. A crash half way leaves nothing under the final name. */
export async function createCluster(
  folders: DataFolders,
  accounts: Accounts,
  { bin }: PostgresBinaries,
): Promise<void> {
  const unfinished = await mkdtemp(join(folders.dataDir, "pg.tmp-"));
  try {
    if (accounts.initdb.change) await chown(unfinished, accounts.initdb.uid, accounts.initdb.gid);
    await run(join(bin, "initdb"), accounts.initdb, unfinished, [
      `--pgdata=${unfinished}`,
      `--username=${OWNER_ROLE}`,
      "--encoding=UTF8",
      "--locale-provider=libc",
      "--locale=C",
      "--auth-local=trust", // the socket's folder is 0700: the file system decides
      "--auth-host=reject",
      "--data-checksums",
      "--no-instructions",
    ]);
    await run(
      join(bin, "postgres"),
      accounts.initdb,
      unfinished,
      ["--single", "-D", unfinished, "postgres"],
      `CREATE DATABASE ${DATABASE_NAME}\n`,
    );
    if (accounts.server.change) await giveTo(unfinished, accounts.server);
    await rename(unfinished, folders.cluster);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (error instanceof StoreError) throw error;
    throw new StoreError(
      "MCA_POSTGRES_FAILED",
      `The embedded PostgreSQL could not be prepared in ${folders.dataDir}: ${describe(error)}. Look at the folder's owner and free space, then try again.`,
      { cause: error },
    );
  }
}

/** Hands a folder and everything in it to an account. */
export async function giveTo(folder: string, account: Account): Promise<void> {
  await lchown(folder, account.uid, account.gid);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await giveTo(path, account);
    else await lchown(path, account.uid, account.gid);
  }
}

/** The environment of PostgreSQL's programs: nothing of ours. */
export const POSTGRES_ENVIRONMENT = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

async function run(
  program: string,
  account: Account,
  cwd: string,
  args: readonly string[],
  input?: string,
): Promise<void> {
  const identity = account.change ? { uid: account.uid, gid: account.gid } : {};
  const running = promisify(execFile)(program, args, { cwd, env: POSTGRES_ENVIRONMENT, timeout: 120_000, ...identity });
  running.child.stdin?.end(input ?? "");
  await running;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stderr = "stderr" in error && typeof error.stderr === "string" ? error.stderr.trim() : "";
  return (stderr === "" ? error.message : stderr).split("\n").slice(-3).join(" ");
}

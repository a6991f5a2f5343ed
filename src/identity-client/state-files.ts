// Reading and writing the files of a state directory. Private keys lie here, so: nobody else may own or read the directory or a
// file; links are not followed; a write is whole or not at all (temporary file, fsync, rename, fsync of the directory).
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { systemRandom } from "../runtime/index.ts";
import { toHex } from "../x509/index.ts";
import { IdentityClientError } from "./errors.ts";

const MAX_FILE_BYTES = 16 * 1024 * 1024;
const TEMPORARY = /^\..*\.tmp$/;

/**
 * Makes the directory if it is missing (0700), and checks owner and mode. Returns its absolute path.
 * @throws IdentityClientError MCA_CLIENT_STATE_INSECURE, MCA_CLIENT_STATE_UNWRITABLE
 */
export async function prepareStateDir(path: string): Promise<string> {
  const directory = resolve(path);
  try {
    await mkdir(dirname(directory), { recursive: true });
    await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } catch (cause) {
    throw unwritable(directory, cause);
  }
  const found = await lstat(directory);
  if (!found.isDirectory()) throw insecure(directory, "it is not a directory, or is a link to one");
  checkOwnerAndMode(directory, found);
  const parent = await stat(dirname(directory));
  if ((parent.mode & 0o002) !== 0 && (parent.mode & 0o1000) === 0) {
    throw insecure(directory, "everybody may write its parent directory, and so could replace it");
  }
  return directory;
}

/** Removes what a crash in the middle of a write left. */
export async function removeTemporaryFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (TEMPORARY.test(name)) await rm(join(directory, name), { force: true });
  }
}

/** The text of a file, or undefined if there is none. @throws IdentityClientError MCA_CLIENT_STATE_INSECURE, _DAMAGED */
export async function readStateFile(directory: string, name: string): Promise<string | undefined> {
  const path = join(directory, name);
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    const code = errno(cause);
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw insecure(path, "it is a link");
    throw insecure(path, `it cannot be read (${code})`, cause);
  }
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw insecure(path, "it is not a regular file");
    if (found.nlink !== 1) throw insecure(path, "it has a second name (hard link)");
    checkOwnerAndMode(path, found);
    if (found.size > MAX_FILE_BYTES) throw damaged(path, "it is larger than anything that is written there");
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}

/** Writes a file whole, mode 0600, durable when it returns. @throws IdentityClientError MCA_CLIENT_STATE_UNWRITABLE */
export async function writeStateFile(directory: string, name: string, text: string): Promise<void> {
  const path = join(directory, name);
  const temporary = join(directory, `.${name}.${freshName()}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    const handle = await open(temporary, flags, 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (cause) {
    await unlink(temporary).catch(() => {});
    throw unwritable(path, cause);
  }
}

/** Removes a file if it is there. @throws IdentityClientError MCA_CLIENT_STATE_UNWRITABLE */
export async function removeStateFile(directory: string, name: string): Promise<void> {
  try {
    await rm(join(directory, name), { force: true });
    await syncDirectory(directory);
  } catch (cause) {
    throw unwritable(join(directory, name), cause);
  }
}

/** A part of a name that no other process makes. */
export function freshName(): string {
  return toHex(systemRandom.bytes(8));
}

/** Makes renames and removals in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function checkOwnerAndMode(path: string, found: Stats): void {
  const uid = process.geteuid?.();
  if (uid !== undefined && found.uid !== uid)
    throw insecure(path, `it belongs to the user ${found.uid}, not to ${uid}`);
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    throw insecure(path, `others may use it (mode ${mode}); it must be 0700 for the directory and 0600 for files`);
  }
}

/** A file does not hold what was written there. */
export function damaged(path: string, why: string, cause?: unknown): IdentityClientError {
  return new IdentityClientError(
    "MCA_CLIENT_STATE_DAMAGED",
    `${path} is damaged: ${why}. Remove it; the workload then enrols again with fresh evidence.`,
    { cause },
  );
}

function insecure(path: string, why: string, cause?: unknown): IdentityClientError {
  return new IdentityClientError(
    "MCA_CLIENT_STATE_INSECURE",
    `${path} is not used, because ${why}. Whoever could write there could choose this workload's identity. Correct owner and mode, or choose another directory.`,
    { cause },
  );
}

function unwritable(path: string, cause: unknown): IdentityClientError {
  return new IdentityClientError(
    "MCA_CLIENT_STATE_UNWRITABLE",
    `${path} cannot be written (${errno(cause)}). Make it writable for this user, or choose another state directory.`,
    { cause },
  );
}

function errno(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
}

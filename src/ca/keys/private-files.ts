// Files that only their owner may read: written so that they survive a power cut, read only while nobody else could have
// read or replaced them. Must never follow a symbolic link at the last step and never repair modes in silence: a key that
// others could read is a key that others may have.
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { KeyError } from "./errors.ts";

const MAX_FILE_BYTES = 64 * 1024;
/** Ends the name of a file that is being written. */
export const UNFINISHED = ".new";

/**
 * Makes the folder (mode 0700) if it is missing, and refuses one that others can enter or that belongs to another user.
 * @throws KeyError MCA_KEY_STORE_INSECURE, MCA_KEY_STORE_UNAVAILABLE
 */
export async function openPrivateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 });
    await syncDirectory(join(directory, ".."));
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw unavailable(`The key folder ${directory} cannot be made`, error);
  }
  const found = await stat(directory).catch((error: unknown) => {
    throw unavailable(`The key folder ${directory} cannot be read`, error);
  });
  if (!found.isDirectory()) {
    throw new KeyError("MCA_KEY_STORE_UNAVAILABLE", `${directory} is not a folder: give a folder for the keys.`);
  }
  requirePrivate(directory, found.mode, found.uid, "0700");
}

/**
 * Writes a new private file: a temporary file in the same folder, synchronised, renamed, and the folder synchronised.
 * When this resolves the file is durable. An existing file of this name is replaced as a whole.
 */
export async function writePrivateFile(directory: string, name: string, contents: string): Promise<void> {
  const path = join(directory, name);
  const temporary = path + UNFINISHED;
  try {
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(contents);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unavailable(`The key file ${path} cannot be written`, error);
  }
}

/** Whose a private file may be. */
export type FileOwner =
  /** This user's, mode 0600 or less. */
  | "self"
  /** A credential of systemd: root's or this user's, others have nothing; an access list to one user shows as group read. */
  | "systemd";

/** What kind of secret a file holds, for sentences. */
type SecretKind = "key" | "passphrase";

/**
 * Reads a private file of a key folder; undefined if there is none. Follows no symbolic link.
 * @throws KeyError MCA_KEY_STORE_INSECURE where others could read or replace it, MCA_KEY_STORE_UNAVAILABLE
 */
export function readPrivateFile(directory: string, name: string): Promise<string | undefined> {
  return readChecked(join(directory, name), constants.O_NOFOLLOW, "self", "key");
}

/**
 * Reads a private file anywhere; undefined if there is none. Links are followed (mounted secrets are links): what they lead to is judged.
 * @throws KeyError MCA_KEY_STORE_INSECURE where others could read or replace it, MCA_KEY_STORE_UNAVAILABLE
 */
export function readPrivatePath(path: string, owner: FileOwner, kind: SecretKind): Promise<string | undefined> {
  return readChecked(path, 0, owner, kind);
}

async function readChecked(
  path: string,
  flags: number,
  owner: FileOwner,
  kind: SecretKind,
): Promise<string | undefined> {
  const file = await openForReading(path, flags, kind);
  if (file === undefined) return undefined;
  try {
    const found = await file.stat();
    if (!found.isFile()) {
      throw new KeyError("MCA_KEY_STORE_INSECURE", `${path} is not a plain file: put the ${kind} itself there.`);
    }
    if (owner === "self") requirePrivate(path, found.mode, found.uid, "0600", kind);
    else requireCredential(path, found.mode, found.uid);
    if (found.size > MAX_FILE_BYTES) {
      throw new KeyError("MCA_KEY_STORE_UNAVAILABLE", `${path} is too large for a ${kind} file (${found.size} bytes).`);
    }
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/**
 * Overwrites and removes a private file; answers whether there was one. Overwriting helps only on media that write in place; removal
 * is what counts.
 */
export async function destroyPrivateFile(directory: string, name: string): Promise<boolean> {
  const path = join(directory, name);
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW);
    try {
      const { size } = await file.stat();
      await file.write(Buffer.alloc(Math.min(size, MAX_FILE_BYTES)), 0, undefined, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await unlink(path);
    await syncDirectory(directory);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw unavailable(`The key file ${path} cannot be destroyed`, error);
  }
}

async function openForReading(path: string, flags: number, kind: SecretKind): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") {
      throw new KeyError("MCA_KEY_STORE_INSECURE", `${path} is a symbolic link: put the ${kind} itself there.`);
    }
    throw unavailable(`The ${kind} file ${path} cannot be read`, error);
  }
}

function requirePrivate(path: string, mode: number, owner: number, wanted: string, kind: SecretKind = "key"): void {
  const self = process.geteuid?.();
  if (self !== undefined && owner !== self) throw foreign(path, owner, `${self}`);
  if ((mode & 0o077) !== 0) {
    const found = octal(mode);
    throw new KeyError(
      "MCA_KEY_STORE_INSECURE",
      `${path} has mode ${found}: others could read the ${kind}${kind === "key" ? "s" : ""}. If nobody did: chmod ${wanted} ${path}. If you are not sure, replace the ${kind}${kind === "key" ? "s" : ""}.`,
      { details: { path, found, expected: wanted } },
    );
  }
}

const ROOT = 0;
const OTHERS_OR_WRITABLE_BY_GROUP = 0o037;

function requireCredential(path: string, mode: number, owner: number): void {
  const self = process.geteuid?.();
  if (self !== undefined && owner !== self && owner !== ROOT) throw foreign(path, owner, `${self} or ${ROOT}`);
  if ((mode & OTHERS_OR_WRITABLE_BY_GROUP) !== 0) {
    const found = octal(mode);
    throw new KeyError(
      "MCA_KEY_STORE_INSECURE",
      `The credential ${path} has mode ${found}: others could read or change it. systemd makes credentials with mode 0400 or 0440; find out what changed it.`,
      { details: { path, found, expected: "0440" } },
    );
  }
}

function foreign(path: string, owner: number, expected: string): KeyError {
  return new KeyError(
    "MCA_KEY_STORE_INSECURE",
    `${path} belongs to user ${owner}, but this process runs as user ${process.geteuid?.()}. Find out who put it there; if it is right: chown ${process.geteuid?.()} ${path}`,
    { details: { path, found: `owner ${owner}`, expected: `owner ${expected}` } },
  );
}

function octal(mode: number): string {
  return `0${(mode & 0o777).toString(8)}`;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function unavailable(what: string, error: unknown): KeyError {
  if (error instanceof KeyError) return error;
  const code = errorCode(error) ?? "unknown error";
  return new KeyError("MCA_KEY_STORE_UNAVAILABLE", `${what} (${code}). Check the path, the disk and the permissions.`, {
    cause: error,
  });
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

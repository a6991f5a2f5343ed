// One file of those that are read again and again. A pipe or a device is not waited for, a file that grew out of hand is not read, and a
// private key that others can read is not used.
import { constants, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const MAX_BYTES = 4 * 1024 * 1024;

/** A file to watch. */
export interface WatchedFile {
  readonly path: string;
  /** Holds a private key: others may neither read nor write it. */
  readonly secret?: boolean;
}

/** The file's text (UTF-8), or why it cannot be used, as half a sentence that begins with the path. */
export type FileText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "unusable"; readonly why: string };

export async function readWatchedFile({ path, secret = false }: WatchedFile): Promise<FileText> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const problem = problemOf(await handle.stat(), secret);
    if (problem !== undefined) return { kind: "unusable", why: `${path} ${problem}` };
    const bytes = await handle.readFile();
    if (bytes.length > MAX_BYTES) return { kind: "unusable", why: `${path} has grown beyond 4 MiB` };
    return { kind: "text", text: bytes.toString("utf8") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
    return { kind: "unusable", why: `${path} cannot be read (${code})` };
  } finally {
    await handle?.close();
  }
}

function problemOf(found: Stats, secret: boolean): string | undefined {
  if (!found.isFile()) return "is not a regular file";
  if (found.size > MAX_BYTES) return "is larger than 4 MiB";
  // The group may read it, as with a Kubernetes fsGroup.
  if (secret && (found.mode & 0o027) !== 0) {
    return `holds a private key and has mode 0${(found.mode & 0o777).toString(8)}; it must be 0600, or 0640 at most`;
  }
  return undefined;
}

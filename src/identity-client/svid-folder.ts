// Writes an SVID to files for programs that read PEM: DIR/current is a link, swapped by rename, to a folder with svid.pem,
// svid_key.pem, svid_bundle.pem and trust.json. A reader that opens the folder once never sees a key beside a foreign certificate.
// The folders are 0700 and the key is 0600: whoever reads it is the workload.
import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, readlink, rename, rm, symlink, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { encodeTrustFile, type TrustSet } from "../spiffe/index.ts";
import { encodePem } from "../x509/index.ts";
import { freshName, prepareStateDir, syncDirectory } from "./state-files.ts";
import type { Svid } from "./svid.ts";

const CURRENT = "current";
const FOLDER = /^svid-[0-9a-f]{16}$/;
/** The present folder and the one before it: a reader may be in the middle of that. */
const KEPT_FOLDERS = 2;

/** Writes the files and swaps the link. Returns the path of `current`. @throws IdentityClientError MCA_CLIENT_STATE_* */
export async function writeSvidFolder(directory: string, svid: Svid, trust: TrustSet): Promise<string> {
  const root = await prepareStateDir(directory);
  const name = `svid-${freshName()}`;
  const folder = join(root, name);
  await mkdir(folder, { mode: 0o700 });
  await write(join(folder, "svid_key.pem"), svid.keyPem);
  await write(join(folder, "svid.pem"), svid.chainPem);
  await write(join(folder, "svid_bundle.pem"), bundlePem(trust));
  await write(join(folder, "trust.json"), encodeTrustFile(trust));
  await syncDirectory(folder);
  const previous = await currentFolder(root);
  const link = join(root, `.${CURRENT}.${freshName()}`);
  await symlink(name, link);
  try {
    await rename(link, join(root, CURRENT));
  } catch (error) {
    await unlink(link).catch(() => {});
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  await syncDirectory(root);
  await prune(root, [name, ...(previous === undefined ? [] : [previous])]);
  return join(root, CURRENT);
}

/** The anchors as PEM, for programs that know nothing of published authorities. */
function bundlePem(trust: TrustSet): string {
  return trust.anchors.map(({ der }) => encodePem("CERTIFICATE", der)).join("");
}

async function write(path: string, text: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = await open(path, flags, 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function currentFolder(root: string): Promise<string | undefined> {
  try {
    return await readlink(join(root, CURRENT));
  } catch {
    return undefined;
  }
}

/** Removes folders of ours that no reader can still want; nothing else in the directory is touched. */
async function prune(root: string, keep: readonly string[]): Promise<void> {
  const kept = new Set(keep.slice(0, KEPT_FOLDERS));
  for (const name of await readdir(root)) {
    if (!FOLDER.test(name) || kept.has(name)) continue;
    const path = resolve(root, name);
    if ((await lstat(path)).isDirectory()) await rm(path, { recursive: true, force: true });
  }
}

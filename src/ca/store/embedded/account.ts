// As whom PostgreSQL runs. It refuses root, so as root it gets a user id of its own: one without a passwd entry, without
// groups, that owns `pg/` and nothing else and cannot enter `keys/` (0700, root). Any other user runs it as itself.
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { StoreError } from "../errors.ts";

export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** True where we are root and change to this account. */
  readonly change: boolean;
}

export interface Accounts {
  /** Owns the data and runs PostgreSQL. */
  readonly server: Account;
  /** Runs initdb, which asks for a passwd entry. */
  readonly initdb: Account;
}

// Above what distributions give to people and services, below 65534 (nobody) and inside the range that containers map.
const FIRST_UID = 64_200;
const UIDS = 800;

/** Who owns and runs PostgreSQL for this data directory: the owner of an existing `pg/`, else one chosen by its path. */
export async function accountsFor(dataDir: string): Promise<Accounts> {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid !== 0) {
    const self = { uid, gid, change: false };
    return { server: self, initdb: self };
  }
  const passwd = parsePasswd(await readFile("/etc/passwd", "utf8").catch(() => ""));
  const nobody = passwd.find(({ name }) => name === "nobody") ?? passwd.find((entry) => entry.uid !== 0);
  if (nobody === undefined) {
    throw new StoreError(
      "MCA_POSTGRES_FAILED",
      "initdb refuses to run as root and needs another user in /etc/passwd; there is none. Add the user nobody, or run mesh-ca as an ordinary user.",
    );
  }
  const owner = await stat(join(dataDir, "pg")).then(
    (found) => found.uid,
    () => undefined,
  );
  const serverUid = owner === undefined || owner === 0 ? freeUid(dataDir, passwd) : owner;
  return {
    server: { uid: serverUid, gid: serverUid, change: true },
    initdb: { uid: nobody.uid, gid: nobody.gid, change: true },
  };
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

function parsePasswd(text: string): PasswdEntry[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    return name !== undefined && uid !== undefined && gid !== undefined && /^\d+$/.test(uid) && /^\d+$/.test(gid)
      ? [{ name, uid: Number(uid), gid: Number(gid) }]
      : [];
  });
}

function freeUid(dataDir: string, passwd: readonly PasswdEntry[]): number {
  const taken = new Set(passwd.flatMap(({ uid, gid }) => [uid, gid]));
  const start = createHash("sha256").update(dataDir).digest().readUInt32BE(0) % UIDS;
  for (let step = 0; step < UIDS; step += 1) {
    const uid = FIRST_UID + ((start + step) % UIDS);
    if (!taken.has(uid)) return uid;
  }
  throw new StoreError("MCA_POSTGRES_FAILED", `No free user id between ${FIRST_UID} and ${FIRST_UID + UIDS - 1}.`);
}

/** The nearest folder on the way to `path` (itself included) that `account` may not enter, if any. */
export async function blockingFolder(path: string, account: Account): Promise<string | undefined> {
  if (!account.change) return undefined; // what we reached, we reach
  for (const folder of foldersTo(path)) {
    const { uid, gid, mode } = await stat(folder);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return folder;
  }
  return undefined;
}

function foldersTo(path: string): string[] {
  const folders = [path];
  for (let folder = path; folder !== dirname(folder) && folder !== sep; folder = dirname(folder)) {
    folders.unshift(dirname(folder));
  }
  return folders;
}

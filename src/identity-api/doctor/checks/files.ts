// The files: is there a data directory, who may read and write what is in it, and is there room on its disk? Nothing is repaired: a
// key that others could read is a key that others may have.
import { lstat, readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { type Finding, ok, problem } from "../result.ts";
import type { Check, DoctorWorld } from "../world.ts";

/** What a file may be to others than its owner. */
type Rule = { readonly path: string; readonly what: string } & (
  | { readonly kind: "private" }
  /** The same, but as root it belongs to PostgreSQL's own user. */
  | { readonly kind: "postgres" }
  /** Others may read it but not change it. */
  | { readonly kind: "unchanged" }
  /** As `private`, but a group may read it where the operator wants that: mounted secrets. */
  | { readonly kind: "secret" }
);

interface Mode {
  readonly mode: number;
  readonly link: boolean;
  readonly owner: number;
}

const READ_WRITE_OTHERS = 0o077;
const WRITE_OTHERS = 0o022;
const READ_WORLD_OR_WRITE = 0o027;
const READ_GROUP = 0o040;
const MEBIBYTE = 1024 * 1024;
/** Under this PostgreSQL may stop at any moment. */
const LEAST_FREE = 256 * MEBIBYTE;
const LITTLE_FREE = 2048 * MEBIBYTE;
const FEW_INODES = 10_000;

export const fileChecks: readonly Check[] = [
  { id: "files.data-dir", needs: "nothing", look: lookAtDataDir },
  { id: "files.modes", needs: "nothing", look: lookAtModes },
  { id: "files.disk", needs: "nothing", look: lookAtDisk },
];

async function lookAtDataDir({ dir, uid }: DoctorWorld): Promise<readonly Finding[]> {
  const found = await lstat(dir.path).catch((error: unknown) => errnoOf(error));
  if (typeof found === "string") {
    const command = "npx mesh-ca init once, or name the right folder (--data-dir, dataDir)";
    return [problem("failed", `${dir.path}: ${found}`, "the data directory of the server", command)];
  }
  if (!found.isDirectory() && !found.isSymbolicLink()) {
    return [problem("failed", `${dir.path} is no folder`, "a folder", "name the right one: dataDir")];
  }
  if (uid !== undefined && found.uid !== uid) {
    const command = "run the doctor as the user of the server";
    return [problem("failed", `${dir.path} belongs to user ${found.uid}`, `user ${uid}, who asks`, command)];
  }
  return [ok(`${dir.path} is there`)];
}

async function lookAtModes(world: DoctorWorld): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let looked = 0;
  for (const rule of await rulesOf(world)) {
    // Mounted secrets are links: what counts is what they point to. What we put there ourselves is never one.
    const look = isOurs(rule) ? lstat : stat;
    const found = await look(rule.path).catch((error: unknown) => errnoOf(error));
    if (found === "ENOENT") continue; // whether it has to be there is another check's question
    looked += 1;
    if (typeof found === "string") {
      findings.push(
        problem("failed", `${rule.what} ${rule.path}: ${found}`, "a file that can be looked at", undefined),
      );
      continue;
    }
    findings.push(
      ...judgeMode(rule, { mode: found.mode & 0o777, link: found.isSymbolicLink(), owner: found.uid }, world.uid),
    );
  }
  return findings.length > 0 ? findings : [ok(`${looked} files and folders: nobody else may read or change them`)];
}

function judgeMode(rule: Rule, found: Mode, self: number | undefined): readonly Finding[] {
  const { path, what, kind } = rule;
  const inside = isOurs(rule);
  if (found.link) {
    return [problem("failed", `${what} ${path} is a symbolic link`, "the file itself", "put the file itself there")];
  }
  if (kind === "private" && self !== undefined && found.owner !== self) {
    const command = `find out who put it there; if it is right: chown ${self} ${path}`;
    return [problem("failed", `${what} ${path} belongs to user ${found.owner}`, `user ${self}`, command)];
  }
  if (kind === "secret" && self !== undefined && found.owner !== self && found.owner !== 0) {
    const command = `chown ${self} ${path}, if what is in it is right`;
    return [
      problem(
        "failed",
        `${what} ${path} belongs to user ${found.owner}, who can change it`,
        `user ${self} or root`,
        command,
      ),
    ];
  }
  const mode = `0${found.mode.toString(8)}`;
  if (kind === "unchanged") {
    if ((found.mode & WRITE_OTHERS) === 0) return [];
    const command = `chmod go-w ${path}`;
    return [
      problem("failed", `${what} ${path} has mode ${mode}: others can change it`, "nobody else may write", command),
    ];
  }
  if ((found.mode & (inside ? READ_WRITE_OTHERS : READ_WORLD_OR_WRITE)) !== 0) {
    const command = `chmod go= ${path}; if others may have read it, replace what is in it`;
    return [problem("failed", `${what} ${path} has mode ${mode}: others can use it`, "no right for others", command)];
  }
  if ((found.mode & READ_GROUP) !== 0) {
    return [problem("warning", `${what} ${path} has mode ${mode}: its group can read it`, "0600", `chmod go= ${path}`)];
  }
  return [];
}

/** What the server itself has put into its data directory. */
function isOurs({ kind }: Rule): boolean {
  return kind === "private" || kind === "postgres";
}

/** Every file of the configuration that holds a secret, or whose writer would become somebody. */
async function rulesOf({ config, configFile, dir }: DoctorWorld): Promise<readonly Rule[]> {
  const keys = await readdir(dir.keys).catch((): string[] => []);
  const { urlFile, caFile } = config.database;
  const { disk } = config.authority;
  const attested = Object.values(config.attestors).flatMap((attestor) =>
    Object.entries(attestor).flatMap(([name, value]) =>
      name.endsWith("File") && typeof value === "string" ? [value] : [],
    ),
  );
  const rule = (kind: Rule["kind"], what: string, path: string | null | undefined): readonly Rule[] =>
    path === null || path === undefined ? [] : [{ kind, what, path }];
  return [
    ...rule("unchanged", "the data directory", dir.path),
    ...rule("private", "the folder of the keys", dir.keys),
    ...keys.flatMap((name) => rule("private", "the key file", join(dir.keys, name))),
    ...rule("unchanged", "the folder of the sockets", dir.run),
    ...rule("private", "the admin socket", join(dir.run, "admin.sock")),
    ...rule("postgres", "the database", join(dir.path, "pg")),
    ...rule("postgres", "the folder of the database's socket", join(dir.run, "pg")),
    ...rule("unchanged", "the configuration", configFile),
    ...rule("secret", "database.urlFile", urlFile),
    ...rule("secret", "keys.passphraseFile", config.keys.passphraseFile),
    ...rule("secret", "authority.disk.keyFile", disk.keyFile),
    ...rule("secret", "authority.disk.passphraseFile", disk.passphraseFile),
    ...rule("unchanged", "authority.disk.certificateFile", disk.certificateFile),
    ...rule("secret", "listen.https.keyFile", config.listen.https.keyFile),
    ...rule("unchanged", "listen.https.certificateFile", config.listen.https.certificateFile),
    ...rule("unchanged", "database.caFile", caFile),
    ...attested.flatMap((path) => rule("unchanged", "a file that an attestor trusts", path)),
  ];
}

async function lookAtDisk({ config, dir }: DoctorWorld): Promise<readonly Finding[]> {
  const { url, urlFile } = config.database;
  const embedded = url === null && urlFile === null;
  const places = embedded ? [dir.path, join(dir.path, "pg")] : [dir.path];
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const place of places) {
    const disk = await statfs(place).catch((error: unknown) => errnoOf(error));
    if (typeof disk === "string") {
      if (disk !== "ENOENT" || place === dir.path) {
        findings.push(problem("failed", `the disk of ${place}: ${disk}`, "a disk that can be looked at", undefined));
      }
      continue;
    }
    const key = `${disk.type} ${disk.blocks} ${disk.bfree} ${disk.files}`;
    if (seen.has(key)) continue;
    seen.add(key);
    findings.push(judgeDisk(place, { free: disk.bavail * disk.bsize, files: disk.files, freeFiles: disk.ffree }));
  }
  return findings;
}

/** `free` in bytes. */
export function judgeDisk(
  place: string,
  disk: { readonly free: number; readonly files: number; readonly freeFiles: number },
): Finding {
  const found = `${Math.floor(disk.free / MEBIBYTE)} MiB free for ${place}`;
  const command = "make room: nothing is issued once the database cannot write";
  if (disk.free < LEAST_FREE) return problem("failed", found, `at least ${LEAST_FREE / MEBIBYTE} MiB`, command);
  if (disk.free < LITTLE_FREE) return problem("warning", found, `at least ${LITTLE_FREE / MEBIBYTE} MiB`, command);
  // Some file systems count no inodes.
  if (disk.files > 0 && disk.freeFiles < FEW_INODES) {
    return problem("warning", `${disk.freeFiles} inodes free for ${place}`, `at least ${FEW_INODES}`, command);
  }
  return ok(found);
}

function errnoOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.message : String(error);
}

// The key files: is each encrypted, does each belong to an authority, has each authority its key? Keys are only looked at; where one
// is opened, it is by the key store itself, which refuses what the server would refuse.
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type AuthorityRecord, loadAuthorities, trustDomainOf } from "../../../ca/index.ts";
import { type Finding, ok, problem, skipped } from "../result.ts";
import type { Check } from "../world.ts";

const SUFFIX = ".pkcs8.pem";
const ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

export const keyChecks: readonly Check[] = [
  {
    id: "keys.encryption",
    needs: "nothing",
    look: async ({ dir, database }) => {
      const keys = (await keysIn(dir.keys)).map((name) => join(dir.keys, name + SUFFIX));
      const plain = (await Promise.all(keys.map(isPlain))).filter(Boolean).length;
      if (plain === 0) return [ok("no key lies unencrypted on disk")];
      const found = `${plain} unencrypted key${plain === 1 ? "" : "s"} in ${dir.keys}`;
      if (database.kind === "open" && (await trustDomainOf(database.database))?.development === true) {
        return [ok(`${found}, of a development trust domain`)];
      }
      const expected = "keys under a passphrase (keys.passphraseFile), or a disk that is encrypted as a whole";
      return [
        problem("warning", found, expected, "docs/doctor.md, Keys; if the disk is encrypted: --accept keys.encryption"),
      ];
    },
  },
  {
    id: "keys.match",
    needs: "database",
    look: async ({ config, dir }, tx) => {
      if ((await trustDomainOf(tx))?.trustDomain !== config.trustDomain) {
        return [skipped("The database belongs to another trust domain: see database.trust-domain.")];
      }
      return judgeKeys(await loadAuthorities(tx), await keysIn(dir.keys), {
        replica: config.replica,
        folder: dir.keys,
      });
    },
  },
];

/** SHA-256 of the keys that have a file. */
async function keysIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
}

async function isPlain(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(ENCRYPTED.length), 0, ENCRYPTED.length, 0);
    return buffer.subarray(0, bytesRead).toString("latin1") !== ENCRYPTED;
  } finally {
    await file.close();
  }
}

function judgeKeys(
  records: readonly AuthorityRecord[],
  present: readonly string[],
  { replica, folder }: { readonly replica: number; readonly folder: string },
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const { spkiSha256, state, replica: holder } of records) {
    if (holder !== replica || state === "removed" || state === "revoked" || present.includes(spkiSha256)) continue;
    const found = `the ${state} authority ${spkiSha256} has no key in ${folder}`;
    const expected = `${spkiSha256}${SUFFIX} in ${folder}`;
    // One that has retired signs nothing any more.
    if (state === "retired" || state === "tainted") findings.push(problem("warning", found, expected, undefined));
    else
      findings.push(
        problem(
          "failed",
          found,
          expected,
          "restore it from its backup, mode 0600; or, if it is lost: docs/disaster-recovery.md",
        ),
      );
  }
  for (const key of present) {
    const record = records.find(({ spkiSha256 }) => spkiSha256 === key);
    if (record !== undefined && record.state !== "removed") continue;
    const found = `the key ${key} belongs to no authority of this database`;
    const why = record === undefined ? found : `the key ${key} of a removed authority is still there`;
    const command =
      record === undefined
        ? "find out whose it is: an old database may have been restored (docs/disaster-recovery.md)"
        : "the server destroys it at its next start; then look again";
    findings.push(problem("warning", why, "no key without an authority", command));
  }
  return findings.length > 0
    ? findings
    : [
        ok(
          `${present.length} key${present.length === 1 ? "" : "s"}, each of an authority; no authority without its key`,
        ),
      ];
}

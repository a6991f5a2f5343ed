// The key files: is each encrypted, does each belong to an authority, has each authority its key? Keys are only looked at; where one
// is opened, it is by the key store itself, which refuses what the server would refuse.
import { lstat } from "node:fs/promises";
import { type AuthorityRecord, type FileKeyStore, loadAuthorities, trustDomainOf } from "../../../ca/index.ts";
import { MeshCaError, silentLogger, systemRandom } from "../../../runtime/index.ts";
import { openKeyStore } from "../../key-store.ts";
import { type Finding, ok, problem, skipped } from "../result.ts";
import type { Check, DoctorWorld } from "../world.ts";

const SUFFIX = ".pkcs8.pem";

export const keyChecks: readonly Check[] = [
  { id: "keys.encryption", needs: "nothing", look: lookAtEncryption },
  { id: "keys.passphrase", needs: "nothing", look: lookAtPassphrase },
  {
    id: "keys.match",
    needs: "database",
    look: async (world, tx) => {
      const { config, dir } = world;
      if ((await trustDomainOf(tx))?.trustDomain !== config.trustDomain) {
        return [skipped("The database belongs to another trust domain: see database.trust-domain.")];
      }
      const store = await storeOf(world);
      const records = await loadAuthorities(tx);
      const present = ((await store?.list()) ?? []).map(({ spkiSha256 }) => spkiSha256);
      const findings = judgeKeys(records, present, { replica: config.replica, folder: dir.keys });
      const unusable = store === undefined ? [] : await openAll(store, records, present);
      const all = [...findings, ...unusable];
      return all.length > 0
        ? all
        : [ok(`${countKeys(present.length)}, each of an authority; no authority without its key`)];
    },
  },
];

async function lookAtEncryption(world: DoctorWorld): Promise<readonly Finding[]> {
  const { dir, database } = world;
  const store = await storeOf(world);
  const plain = ((await store?.list()) ?? []).filter(({ sealed }) => sealed === false).length;
  if (store === undefined || plain === 0) return [ok("no key lies unencrypted on disk")];
  const found = `${countKeys(plain)} unencrypted in ${dir.keys}`;
  if (store.seals) {
    const command =
      "npx mesh-ca authority rotate: the next key is sealed, and the old one destroyed when it has served";
    return [problem("warning", found, "sealed keys: a passphrase is configured", command)];
  }
  if (database.kind === "open" && (await trustDomainOf(database.database))?.development === true) {
    return [ok(`${found}, of a development trust domain`)];
  }
  const expected = "keys under a passphrase (keys.passphraseFile), or a disk that is encrypted as a whole";
  return [
    problem("warning", found, expected, "docs/doctor.md, Keys; if the disk is encrypted: --accept keys.encryption"),
  ];
}

async function lookAtPassphrase(world: DoctorWorld): Promise<readonly Finding[]> {
  const store = await storeOf(world);
  if (store === undefined) return [skipped(`There is no folder ${world.dir.keys}.`)];
  const trouble = await store.passphraseProblem();
  if (trouble !== undefined) {
    return [problem("failed", `${trouble.message} (${trouble.code})`, "a passphrase that can be read", undefined)];
  }
  if (store.seals) return [ok("the passphrase of the keys can be read")];
  const sealed = (await store.list()).filter((key) => key.sealed === true).length;
  if (sealed === 0) return [ok("no key needs a passphrase")];
  const why = "no passphrase is to be seen from here; a server under systemd has it as a credential";
  return [skipped(`${countKeys(sealed)} sealed, and ${why}.`)];
}

/** The store as the server opens it; undefined where there is no folder (opening would make one). */
async function storeOf({ config, dir }: DoctorWorld): Promise<FileKeyStore | undefined> {
  const found = await lstat(dir.keys).catch(() => undefined);
  return found === undefined ? undefined : openKeyStore(config, { random: systemRandom, logger: silentLogger });
}

/** Opens the keys that sign or will sign, as the server does; each can be read, and is the one that its name says. */
async function openAll(
  store: FileKeyStore,
  records: readonly AuthorityRecord[],
  present: readonly string[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { spkiSha256, state } of records) {
    if ((state !== "active" && state !== "prepared") || !present.includes(spkiSha256)) continue;
    try {
      await store.open(spkiSha256);
    } catch (error) {
      if (!(error instanceof MeshCaError)) throw error;
      // keys.passphrase tells of it.
      if (error.code === "MCA_KEY_PASSPHRASE_MISSING") continue;
      findings.push(
        problem("failed", `${error.message} (${error.code})`, `the key of the ${state} authority`, undefined),
      );
    }
  }
  return findings;
}

function countKeys(count: number): string {
  return `${count} key${count === 1 ? "" : "s"}`;
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
  return findings;
}

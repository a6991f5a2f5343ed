// Each check of the doctor on files and keys, made to fail once on real files.
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { judgeDisk } from "../../../src/identity-api/doctor/checks/files.ts";
import { closeClients } from "../../e2e/fixture.ts";
import { freshKey } from "../../support/pki.ts";
import { createPatient, type Patient, verdict } from "./support.ts";

let patient: Patient;
let keys: string;
before(async () => {
  patient = await createPatient();
  keys = join(patient.dataDir, "keys");
});
after(async () => {
  await patient.close();
  closeClients();
});

/** The only key file, whole path. */
function keyFile(): string {
  const [name] = readdirSync(keys);
  return join(keys, String(name));
}

test("files.data-dir, files.disk: a folder that is not there fails, a file in its place too", async () => {
  const nowhere = { ...patient.config, dataDir: join(patient.dataDir, "nowhere") };
  assert.match(await verdict(nowhere, "files.data-dir"), /^failed.*ENOENT.*mesh-ca init/);
  assert.match(await verdict(nowhere, "files.disk"), /^failed/);
  assert.match(await verdict({ ...patient.config, dataDir: keyFile() }, "files.data-dir"), /^failed.*is no folder/);
  assert.match(await verdict(patient.config, "files.data-dir"), /^ok/);
});

test("files.modes: keys, folders and sockets that others can use fail, and chmod is named", async () => {
  assert.match(await verdict(patient.config, "files.modes"), /^ok/);
  const cases: readonly (readonly [path: string, bad: number, good: number, said: RegExp])[] = [
    [keyFile(), 0o644, 0o600, /the key file .* has mode 0644: others can use it.*chmod go= /],
    [keys, 0o750, 0o700, /the folder of the keys .* mode 0750/],
    [patient.dataDir, 0o777, 0o711, /the data directory .* mode 0777: others can change it.*chmod go-w/],
    [join(patient.dataDir, "run"), 0o733, 0o711, /the folder of the sockets .* mode 0733/],
  ];
  for (const [path, bad, good, said] of cases) {
    chmodSync(path, bad);
    assert.match(await verdict(patient.config, "files.modes"), said);
    assert.match(await verdict(patient.config, "files.modes"), /^failed/);
    chmodSync(path, good);
  }
  assert.match(await verdict(patient.config, "files.modes"), /^ok/);
});

test("files.modes: a key that is a symbolic link fails", async () => {
  const link = join(keys, `${"0".repeat(64)}.pkcs8.pem`);
  symlinkSync(keyFile(), link);
  assert.match(await verdict(patient.config, "files.modes"), /^failed.*is a symbolic link/);
  renameSync(link, join(patient.dataDir, "link"));
});

test("files.modes: secrets of the configuration that others can read, and files that others can write", async () => {
  const folder = join(patient.dataDir, "etc");
  mkdirSync(folder);
  const put = (name: string, mode: number): string => {
    const path = join(folder, name);
    writeFileSync(path, "x");
    chmodSync(path, mode);
    return path;
  };
  const { database, keys: keySettings } = patient.config;
  const config = {
    ...patient.config,
    database: { ...database, caFile: put("ca.pem", 0o666), tls: "verify-full" as const },
    keys: { ...keySettings, passphraseFile: put("passphrase", 0o640) },
    attestors: {
      ...patient.config.attestors,
      k8s: { kind: "jwt", jwksFile: put("jwks", 0o662) } as never,
    },
  };
  const said = await verdict(config, "files.modes", { configFile: put("mesh-ca.yaml", 0o664) });
  assert.match(said, /failed.*database\.caFile .* 0666: others can change it/);
  assert.match(said, /warning.*keys\.passphraseFile .* 0640: its group can read it/);
  assert.match(said, /failed.*the configuration .* 0664: others can change it/);
  assert.match(said, /failed.*a file that an attestor trusts .* 0662/);
  chmodSync(join(folder, "passphrase"), 0o604);
  assert.match(await verdict(config, "files.modes"), /failed.*keys\.passphraseFile .* 0604: others can use it/);
});

test("files.modes: the issuing CA's key and its passphrase, and the web certificate's key, also behind the links of a mount", async () => {
  const folder = join(patient.dataDir, "mounted");
  mkdirSync(folder);
  const mounted = (name: string, mode: number): string => {
    const path = join(folder, `..${name}`);
    writeFileSync(path, "x");
    chmodSync(path, mode);
    symlinkSync(path, join(folder, name));
    return join(folder, name);
  };
  const { authority, listen } = patient.config;
  const disk = {
    certificateFile: mounted("ca.pem", 0o664),
    keyFile: mounted("ca.key", 0o644),
    passphraseFile: mounted("ca.pass", 0o604),
  };
  const https = { ...listen.https, certificateFile: mounted("web.pem", 0o646), keyFile: mounted("web.key", 0o640) };
  const config = { ...patient.config, authority: { ...authority, disk }, listen: { ...listen, https } };
  const said = await verdict(config, "files.modes");
  assert.match(said, /failed.*authority\.disk\.certificateFile .* 0664: others can change it/);
  assert.match(said, /failed.*authority\.disk\.keyFile .* 0644: others can use it/);
  assert.match(said, /failed.*authority\.disk\.passphraseFile .* 0604: others can use it/);
  assert.match(said, /failed.*listen\.https\.certificateFile .* 0646: others can change it/);
  assert.match(said, /warning.*listen\.https\.keyFile .* 0640: its group can read it/);
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o600);
  assert.match(await verdict(config, "files.modes"), /^ok/);
  if (process.getuid?.() !== 0) return; // only root can give files away
  chownSync(join(folder, "ca.key"), 4711, 4711);
  assert.match(
    await verdict(config, "files.modes"),
    /^failed.*disk\.keyFile .* belongs to user 4711, who can change it/,
  );
});

test("files.modes, files.data-dir: what belongs to another user fails", async () => {
  if (process.getuid?.() !== 0) return; // only root can give files away
  chownSync(keyFile(), 4711, 4711);
  assert.match(await verdict(patient.config, "files.modes"), /^failed.*the key file .* belongs to user 4711.*chown 0/);
  chownSync(keyFile(), 0, 0);
  chownSync(patient.dataDir, 4711, 4711);
  assert.match(await verdict(patient.config, "files.data-dir"), /^failed.*belongs to user 4711/);
  chownSync(patient.dataDir, 0, 0);
});

test("files.disk: little room warns, almost none fails, few inodes warn", () => {
  const mebibyte = 1024 * 1024;
  const of = (free: number, freeFiles = 1_000_000) => judgeDisk("/data", { free, files: 2_000_000, freeFiles }).status;
  assert.equal(of(3000 * mebibyte), "ok");
  assert.equal(of(2000 * mebibyte), "warning");
  assert.equal(of(200 * mebibyte), "failed");
  assert.equal(of(3000 * mebibyte, 5), "warning");
});

test("keys.match: a lost key fails, a foreign one warns, one that is another's content fails", async () => {
  const path = keyFile();
  const aside = join(patient.dataDir, "aside");
  renameSync(path, aside);
  assert.match(await verdict(patient.config, "keys.match"), /^failed.*the active authority [0-9a-f]{64} has no key/);
  const foreign = freshKey().export({ type: "pkcs8", format: "pem" }).toString();
  writeFileSync(path, foreign, { mode: 0o600 });
  assert.match(await verdict(patient.config, "keys.match"), /^failed.*holds another key.*MCA_KEY_MISMATCH/);
  renameSync(aside, path);
  const stranger = join(keys, `${"1".repeat(64)}.pkcs8.pem`);
  writeFileSync(stranger, foreign, { mode: 0o600 });
  assert.match(await verdict(patient.config, "keys.match"), /^warning.*1{64} belongs to no authority/);
  renameSync(stranger, aside);
  assert.match(await verdict(patient.config, "keys.match"), /^ok/);
});

test("keys.encryption, keys.passphrase: plain keys of a production domain warn, a passphrase that is not there fails", async () => {
  assert.match(await verdict(patient.config, "keys.encryption"), /^warning.*1 key unencrypted.*keys\.passphraseFile/);
  assert.match(await verdict(patient.config, "keys.passphrase"), /^ok/);
  const config = { ...patient.config, keys: { ...patient.config.keys, passphraseFile: join(patient.dataDir, "none") } };
  assert.match(await verdict(config, "keys.passphrase"), /^failed.*none/);
  assert.match(await verdict(config, "keys.encryption"), /^warning.*authority rotate/);
  const laptop = await createPatient({ development: true });
  try {
    assert.match(await verdict(laptop.config, "keys.encryption"), /^ok.*development/);
  } finally {
    await laptop.close();
  }
});

import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { inspect } from "node:util";
import { FileKeyStore, type KeyAlgorithm, KeyError, type KeyErrorCode } from "../../../src/ca/keys/index.ts";
import { PrivateKeyHandle } from "../../../src/ca/keys/private-key-handle.ts";
import { makeKey } from "../issuance/materials.ts";

let parent = "";
before(async () => {
  parent = await mkdtemp(join(tmpdir(), "mesh-ca-keys-"));
});
after(() => rm(parent, { recursive: true, force: true }));

let count = 0;
const freshDirectory = (): string => join(parent, `keys-${++count}`);
const withCode = (code: KeyErrorCode) => (error: unknown) => error instanceof KeyError && error.code === code;
const fileOf = (directory: string, spkiSha256: string): string => join(directory, `${spkiSha256}.pkcs8.pem`);

const DIGESTS: Readonly<Record<string, string | null>> = {
  "ecdsa-sha256": "sha256",
  "ecdsa-sha384": "sha384",
  "rsa-sha256": "sha256",
  ed25519: null,
};

for (const algorithm of ["ec-p256", "ec-p384", "ed25519", "rsa-2048"] as const satisfies readonly KeyAlgorithm[]) {
  test(`a key of ${algorithm} is found again after a restart and signs what its public half verifies`, async () => {
    const directory = freshDirectory();
    const made = await (await FileKeyStore.open({ directory })).create("authority", algorithm);
    const signer = await (await FileKeyStore.open({ directory })).open(made.keyId);
    assert.deepEqual(signer.spki, made.signer.spki);
    const bytes = Buffer.from("what is to be signed");
    const publicKey = createPublicKey({ key: Buffer.from(signer.spki), format: "der", type: "spki" });
    const digest = DIGESTS[signer.algorithm];
    assert.ok(digest !== undefined);
    assert.ok(verify(digest, bytes, publicKey, await signer.sign(bytes)));
  });
}

test("the folder has mode 0700, a key file 0600, and no temporary file stays behind", async () => {
  const directory = freshDirectory();
  const { keyId } = await (await FileKeyStore.open({ directory })).create("authority", "ec-p256");
  assert.equal((await stat(directory)).mode & 0o777, 0o700);
  assert.equal((await stat(fileOf(directory, keyId))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory), [`${keyId}.pkcs8.pem`]);
  assert.match(await readFile(fileOf(directory, keyId), "utf8"), /^-----BEGIN PRIVATE KEY-----\n/);
});

test("a key that a crash left half written is destroyed with the next one that is made; what is no key stays", async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const kept = await store.create("authority", "ec-p256");
  await writeFile(`${fileOf(directory, "ab".repeat(32))}.new`, "-----BEGIN PRIVATE KEY-----", { mode: 0o600 });
  await writeFile(join(directory, "notes.new"), "of an operator", { mode: 0o600 });
  const made = await store.create("authority", "ec-p256");
  const names = [kept, made].map(({ keyId }) => `${keyId}.pkcs8.pem`);
  assert.deepEqual((await readdir(directory)).sort(), [...names, "notes.new"].sort());
});

test("keys that are made at the same time do not destroy each other, and one that cannot be made holds up no other", async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const makeAt = (startMs: number) => setTimeout(startMs).then(() => store.create("authority", "ed25519"));
  const made = await Promise.all(Array.from({ length: 40 }, (_, index) => makeAt(index / 2)));
  for (const { keyId } of made) await store.open(keyId);
  await chmod(directory, 0o755);
  await assert.rejects(store.create("authority", "ed25519"), withCode("MCA_KEY_STORE_INSECURE"));
  await chmod(directory, 0o700);
  await store.create("authority", "ed25519");
});

test("a key file that others can read is refused and left as it is", async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const { keyId } = await store.create("authority", "ec-p256");
  for (const mode of [0o640, 0o604, 0o660, 0o601]) {
    await chmod(fileOf(directory, keyId), mode);
    await assert.rejects(store.open(keyId), withCode("MCA_KEY_STORE_INSECURE"));
    assert.equal((await stat(fileOf(directory, keyId))).mode & 0o777, mode);
  }
});

test("a folder that others can enter is refused, when it is opened and later", async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const { keyId } = await store.create("authority", "ec-p256");
  await chmod(directory, 0o750);
  await assert.rejects(FileKeyStore.open({ directory }), withCode("MCA_KEY_STORE_INSECURE"));
  await assert.rejects(store.open(keyId), withCode("MCA_KEY_STORE_INSECURE"));
  await assert.rejects(store.create("authority", "ec-p256"), withCode("MCA_KEY_STORE_INSECURE"));
});

test("a key file of another user is refused", { skip: process.geteuid?.() !== 0 && "needs root" }, async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const { keyId } = await store.create("authority", "ec-p256");
  const { chown } = await import("node:fs/promises");
  await chown(fileOf(directory, keyId), 65534, 65534);
  await assert.rejects(store.open(keyId), withCode("MCA_KEY_STORE_INSECURE"));
});

test("a symbolic link is no key file, even to a good one", async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const { keyId } = await store.create("authority", "ec-p256");
  await rename(fileOf(directory, keyId), join(parent, "elsewhere.pem"));
  await symlink(join(parent, "elsewhere.pem"), fileOf(directory, keyId));
  await assert.rejects(store.open(keyId), withCode("MCA_KEY_STORE_INSECURE"));
});

test("a missing key, another key under its name, and a damaged key each have their error", async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const { keyId } = await store.create("authority", "ec-p256");
  const other = await store.create("authority", "ec-p256");
  await rename(fileOf(directory, other.keyId), fileOf(directory, keyId));
  await assert.rejects(store.open(keyId), withCode("MCA_KEY_MISMATCH"));
  await assert.rejects(store.open(other.keyId), withCode("MCA_KEY_NOT_FOUND"));
  await writeFile(fileOf(directory, keyId), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
  await assert.rejects(store.open(keyId), withCode("MCA_KEY_UNREADABLE"));
});

test("destroying a key takes it from the disk; destroying it twice is no error", async () => {
  const directory = freshDirectory();
  const store = await FileKeyStore.open({ directory });
  const { keyId } = await store.create("authority", "ec-p256");
  assert.deepEqual(await store.list(), [{ spkiSha256: keyId, sealed: false }]);
  await store.destroy(keyId);
  await store.destroy(keyId);
  assert.deepEqual(await store.list(), []);
  await assert.rejects(store.open(keyId), withCode("MCA_KEY_NOT_FOUND"));
});

test("a name that is no key id never becomes a path", async () => {
  const store = await FileKeyStore.open({ directory: freshDirectory() });
  await assert.rejects(store.open("../../etc/passwd"), TypeError);
  await assert.rejects(store.destroy("../x"), TypeError);
});

test("a key prints itself as [private key], however it is printed", () => {
  const handle = new PrivateKeyHandle(makeKey("ec-p256"));
  assert.equal(inspect(handle), "[private key]");
  assert.equal(inspect({ nested: { handle } }, { depth: 9, showHidden: true }).includes("[private key]"), true);
  assert.equal(JSON.stringify({ handle }), '{"handle":"[private key]"}');
  assert.equal(`${handle}`, "[private key]");
});

test("a key that no authority may have is refused", () => {
  const { generateKeyPairSync } = process.getBuiltinModule("node:crypto");
  const weak = [
    generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey,
    generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 }).privateKey,
    generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey,
    generateKeyPairSync("x25519").privateKey,
  ];
  for (const key of weak) assert.throws(() => new PrivateKeyHandle(key), withCode("MCA_KEY_ALGORITHM_UNSUPPORTED"));
});

// Keys under a passphrase: what is on the disk, what opens it, and what is said where nothing does.
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import { generatePrivateKey } from "../../../src/ca/keys/generate.ts";
import {
  FileKeyStore,
  KeyError,
  type KeyErrorCode,
  Passphrase,
  type PassphraseSource,
  readPassphrase,
} from "../../../src/ca/keys/index.ts";
import { encodeKeyFile, parseKeyFile } from "../../../src/ca/keys/key-file.ts";
import { type LogFields, type Logger, silentLogger, systemRandom } from "../../../src/runtime/index.ts";
import { encodePem, sha256Hex } from "../../../src/x509/index.ts";
import { processCpuMs } from "../../support/cpu.ts";

const SECRET = "correct horse battery staple";

let parent = "";
before(async () => {
  parent = await mkdtemp(join(tmpdir(), "mesh-ca-sealed-"));
});
after(() => rm(parent, { recursive: true, force: true }));

let count = 0;
interface Place {
  readonly directory: string;
  readonly passphrase: PassphraseSource;
}

/** A folder for keys, and a passphrase's file beside it. */
async function place(text = `${SECRET}\n`): Promise<Place> {
  const folder = join(parent, String(++count));
  await mkdir(folder, { mode: 0o700 });
  const path = join(folder, "passphrase");
  await writeFile(path, text, { mode: 0o600 });
  return { directory: join(folder, "keys"), passphrase: { kind: "file", path } };
}

function sealedStore({ directory, passphrase }: Place, logger: Logger = silentLogger): Promise<FileKeyStore> {
  return FileKeyStore.open({ directory, sealing: { passphrase, random: systemRandom }, logger });
}

const keyFile = ({ directory }: Place, keyId: string): string => join(directory, `${keyId}.pkcs8.pem`);
const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----.*-----/g, ""), "base64");
const pemOf = (der: Buffer): string => encodePem("ENCRYPTED PRIVATE KEY", der);
const refusedWith =
  (code: KeyErrorCode, ...words: readonly string[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof KeyError);
    assert.equal(error.code, code);
    for (const word of words) assert.ok(error.message.includes(word), `${error.message}\nlacks ${word}`);
    const printed = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error);
    assert.ok(!printed.includes(SECRET), "the passphrase is in the error");
    return true;
  };

test("a sealed key is found again after a restart, and OpenSSL reads its file with the passphrase alone", async () => {
  const where = await place();
  const made = await (await sealedStore(where)).create("authority", "ec-p384");
  const text = await readFile(keyFile(where, made.keyId), "utf8");
  assert.match(text, /^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
  assert.equal((await stat(keyFile(where, made.keyId))).mode & 0o777, 0o600);
  const opened = await (await sealedStore(where)).open(made.keyId);
  assert.deepEqual(opened.spki, made.signer.spki);
  const foreign = createPublicKey(createPrivateKey({ key: text, passphrase: SECRET }));
  assert.equal(sha256Hex(foreign.export({ format: "der", type: "spki" })), made.keyId);
  assert.throws(() => createPrivateKey({ key: text, passphrase: "wrong" }));
  assert.throws(() => createPrivateKey(text));
});

test("salt, initialization vector and ciphertext of two files have nothing in common", async () => {
  const where = await place();
  const store = await sealedStore(where);
  const [a, b] = await Promise.all(
    [0, 1].map(async () =>
      derOf(await readFile(keyFile(where, (await store.create("authority", "ec-p256")).keyId), "utf8")),
    ),
  );
  assert.ok(a !== undefined && b !== undefined && a.length === b.length);
  // Salt, then vector: the two octet strings of 16 octets, each at the same place in both files.
  const marker = Buffer.from("0410", "hex");
  const salt = a.indexOf(marker) + 2;
  const iv = a.indexOf(marker, salt + 16) + 2;
  assert.ok(salt > 2 && iv > salt);
  for (const at of [salt, iv, a.length - 16]) {
    assert.notDeepEqual(a.subarray(at, at + 16), b.subarray(at, at + 16));
  }
});

test("the derivation is scrypt with the documented cost, and the file says so", async () => {
  const where = await place();
  const { keyId } = await (await sealedStore(where)).create("authority", "ec-p256");
  const der = derOf(await readFile(keyFile(where, keyId), "utf8")).toString("hex");
  assert.ok(der.includes("06092b06010401da47040b"), "scrypt, 1.3.6.1.4.1.11591.4.11");
  assert.ok(der.includes(`${"02024000"}${"020108"}${"020105"}${"020120"}`), "N=16384, r=8, p=5, 32 octets");
  assert.ok(der.includes("060960864801650304012a"), "AES-256-CBC");
});

test("without a passphrase a sealed key stays shut, and the error names the file and the setting", async () => {
  const where = await place();
  const { keyId } = await (await sealedStore(where)).create("authority", "ec-p256");
  const store = await FileKeyStore.open({ directory: where.directory });
  await assert.rejects(
    store.open(keyId),
    refusedWith("MCA_KEY_PASSPHRASE_MISSING", keyFile(where, keyId), "keys.passphraseFile"),
  );
});

test("where one key is sealed, no other is ever written unsealed because the setting was lost", async () => {
  const where = await place();
  const { keyId } = await (await sealedStore(where)).create("authority", "ec-p256");
  const store = await FileKeyStore.open({ directory: where.directory });
  await assert.rejects(store.create("authority", "ec-p256"), refusedWith("MCA_KEY_PASSPHRASE_MISSING"));
  assert.deepEqual(await store.list(), [{ spkiSha256: keyId, sealed: true }]);
});

test("a wrong passphrase is told as one, and a mended file counts without reopening the store", async () => {
  const where = await place();
  const { keyId } = await (await sealedStore(where)).create("authority", "ec-p256");
  const store = await sealedStore(where);
  await writeFile(where.passphrase.path, "incorrect horse\n");
  const wrong = refusedWith("MCA_KEY_PASSPHRASE_WRONG", keyFile(where, keyId));
  await assert.rejects(store.open(keyId), wrong);
  const before = processCpuMs();
  for (let i = 0; i < 20; i++) await assert.rejects(store.open(keyId), wrong);
  assert.ok(processCpuMs() - before < 1000, "the same wrong passphrase is derived from again each time");
  await writeFile(where.passphrase.path, SECRET);
  assert.equal((await store.open(keyId)).spkiSha256, keyId);
  await writeFile(where.passphrase.path, "incorrect horse\n");
  await assert.rejects(store.open(keyId), wrong, "an opened key is given out whatever the passphrase is");
});

test("none of 600 wrong passphrases ever ends as anything but wrong, though padding fits once in 256", async () => {
  const text = await encodeKeyFile(await generatePrivateKey("ec-p256"), {
    passphrase: new Passphrase(SECRET),
    random: systemRandom,
  });
  // A cheap derivation, so that many passphrases can be tried: N=256, r=1, p=1.
  const der = derOf(text);
  const at = der.indexOf(Buffer.from("02024000020108020105", "hex"));
  der.set(Buffer.from("02020100020101020101", "hex"), at);
  for (let i = 0; i < 600; i++) {
    await assert.rejects(
      parseKeyFile({ path: "a file", text: pemOf(der) }, new Passphrase(`wrong ${i}`)),
      refusedWith("MCA_KEY_PASSPHRASE_WRONG"),
    );
  }
});

test("an unsealed key under a configured passphrase is opened, told once in the log, and listed as unsealed", async () => {
  const where = await place();
  const { keyId } = await (await FileKeyStore.open({ directory: where.directory })).create("authority", "ec-p256");
  const lines: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => lines.push(fields) };
  const store = await sealedStore(where, logger);
  await store.open(keyId);
  await store.open(keyId);
  assert.deepEqual(
    lines.map(({ event, key }) => [event, key]),
    [["key.unsealed", keyId]],
  );
  const next = await store.create("authority", "ec-p256");
  const sealed = new Map((await store.list()).map((key) => [key.spkiSha256, key.sealed]));
  assert.deepEqual([sealed.get(keyId), sealed.get(next.keyId)], [false, true]);
});

test("another sealed key under its name, and a file cut in half, each have their error", async () => {
  const where = await place();
  const store = await sealedStore(where);
  const { keyId } = await store.create("authority", "ec-p256");
  const other = await store.create("authority", "ec-p256");
  await rename(keyFile(where, other.keyId), keyFile(where, keyId));
  await assert.rejects(store.open(keyId), refusedWith("MCA_KEY_MISMATCH", other.keyId));
  const text = await readFile(keyFile(where, keyId), "utf8");
  await writeFile(keyFile(where, keyId), text.slice(0, 200));
  await assert.rejects(store.open(keyId), refusedWith("MCA_KEY_UNREADABLE"));
});

test("a key that is sealed another way is refused with what it is, and what ours is", async () => {
  const where = await place();
  const store = await sealedStore(where);
  const { keyId } = await store.create("authority", "ec-p256");
  const key = createPrivateKey({ key: await readFile(keyFile(where, keyId), "utf8"), passphrase: SECRET });
  const weak = key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: SECRET });
  await writeFile(keyFile(where, keyId), weak);
  await assert.rejects(store.open(keyId), refusedWith("MCA_KEY_UNREADABLE", "PBKDF2", "scrypt"));
});

test("a file that asks for gigabytes of memory is refused before any is taken", async () => {
  const where = await place();
  const store = await sealedStore(where);
  const { keyId } = await store.create("authority", "ec-p256");
  const file = keyFile(where, keyId);
  const der = derOf(await readFile(file, "utf8"));
  // The same lengths: N stays 2^14, r and p grow to 127; 200 MiB, and thousands of times the work.
  der.set(Buffer.from("0202400002017f02017f", "hex"), der.indexOf(Buffer.from("02024000020108020105", "hex")));
  await writeFile(file, pemOf(der));
  const before = processCpuMs();
  await assert.rejects(store.open(keyId), refusedWith("MCA_KEY_UNREADABLE", "more work"));
  assert.ok(processCpuMs() - before < 1000);
});

for (const [name, text, words] of [
  ["empty", "", "is empty"],
  ["only a line's end", "\n", "is empty"],
  ["two lines", "one\ntwo\n", "more than one line"],
  ["a NUL", "one\0two\n", "more than one line"],
  ["too long", `${"x".repeat(1025)}\n`, "more than 1024 bytes"],
] as const) {
  test(`a passphrase's file with ${name} gives none`, async () => {
    const { passphrase } = await place(text);
    await assert.rejects(readPassphrase(passphrase), refusedWith("MCA_KEY_PASSPHRASE_MISSING", words, passphrase.path));
  });
}

test("a passphrase is the line without its end, and nothing else is taken from it", async () => {
  for (const text of [` ${SECRET} \n`, ` ${SECRET} \r\n`, ` ${SECRET} `]) {
    const { passphrase } = await place(text);
    assert.ok((await readPassphrase(passphrase)).equals(new Passphrase(` ${SECRET} `)));
  }
});

test("a passphrase's file that others can read is refused; a link to a private one is followed", async () => {
  const where = await place();
  for (const mode of [0o640, 0o604, 0o660]) {
    await chmod(where.passphrase.path, mode);
    await assert.rejects(readPassphrase(where.passphrase), refusedWith("MCA_KEY_STORE_INSECURE", "passphrase"));
  }
  await chmod(where.passphrase.path, 0o400);
  const link = join(parent, "link");
  await symlink(where.passphrase.path, link);
  await readPassphrase({ kind: "file", path: link });
  await rm(where.passphrase.path);
  await assert.rejects(readPassphrase(where.passphrase), refusedWith("MCA_KEY_PASSPHRASE_MISSING", "is not there"));
});

test("a credential of systemd may show group read (its access list), but nothing for others and no writing", async () => {
  const { passphrase } = await place();
  const credential: PassphraseSource = { kind: "credential", path: passphrase.path };
  for (const mode of [0o400, 0o440]) {
    await chmod(passphrase.path, mode);
    await readPassphrase(credential);
  }
  for (const mode of [0o444, 0o460, 0o620]) {
    await chmod(passphrase.path, mode);
    await assert.rejects(readPassphrase(credential), refusedWith("MCA_KEY_STORE_INSECURE"));
  }
});

test("without a passphrase that can be read no key is made, and nothing is written", async () => {
  const where = await place();
  const store = await sealedStore(where);
  assert.equal(await store.passphraseProblem(), undefined);
  await rm(where.passphrase.path);
  await assert.rejects(store.create("authority", "ec-p256"), refusedWith("MCA_KEY_PASSPHRASE_MISSING"));
  assert.deepEqual(await store.list(), []);
  assert.equal((await store.passphraseProblem())?.code, "MCA_KEY_PASSPHRASE_MISSING");
});

test("destroying a sealed key takes it from the disk and from memory", async () => {
  const where = await place();
  const store = await sealedStore(where);
  const { keyId } = await store.create("authority", "ec-p256");
  const copy = await readFile(keyFile(where, keyId), "utf8");
  await store.destroy(keyId);
  await assert.rejects(stat(keyFile(where, keyId)));
  await assert.rejects(store.open(keyId), refusedWith("MCA_KEY_NOT_FOUND"));
  await writeFile(keyFile(where, keyId), copy, { mode: 0o600 });
  const before = performance.now();
  await store.open(keyId);
  assert.ok(performance.now() - before > 20, "the derivation was not paid: the key was still in memory");
});

test("a passphrase prints itself as [passphrase], however it is printed", () => {
  const passphrase = new Passphrase(SECRET);
  assert.equal(inspect({ nested: { passphrase } }, { depth: 9, showHidden: true }).includes(SECRET), false);
  assert.equal(inspect(passphrase), "[passphrase]");
  assert.equal(JSON.stringify({ passphrase }), '{"passphrase":"[passphrase]"}');
  assert.equal(`${passphrase}`, "[passphrase]");
});

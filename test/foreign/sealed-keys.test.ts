// Sealed keys are ordinary PKCS#8 files: the openssl program opens ours, and our store opens what it has sealed in the documented way.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { FileKeyStore } from "../../src/ca/keys/index.ts";
import { systemRandom } from "../../src/runtime/index.ts";
import { sha256Hex } from "../../src/x509/index.ts";

const folder = mkdtempSync(join(tmpdir(), "mesh-ca-sealed-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const directory = join(folder, "keys");
const passphraseFile = join(folder, "passphrase");
writeFileSync(passphraseFile, "correct horse battery staple\n", { mode: 0o600 });
const sealing = { passphrase: { kind: "file", path: passphraseFile }, random: systemRandom } as const;
const fileOf = (keyId: string): string => join(directory, `${keyId}.pkcs8.pem`);

for (const algorithm of ["ec-p256", "ec-p384", "rsa-2048", "ed25519"] as const) {
  test(`openssl opens a sealed key of ${algorithm} with the passphrase, and not without`, async () => {
    const { keyId } = await (await FileKeyStore.open({ directory, sealing })).create("authority", algorithm);
    const opened = openssl(
      "pkey",
      "-in",
      fileOf(keyId),
      "-passin",
      `file:${passphraseFile}`,
      "-pubout",
      "-outform",
      "DER",
    );
    assert.equal(opened.status, 0, opened.stderr.toString());
    assert.equal(sha256Hex(opened.stdout), keyId);
    assert.notEqual(openssl("pkey", "-in", fileOf(keyId), "-passin", "pass:wrong").status, 0);
  });
}

test("a key that was sealed by hand, as docs/operations.md says, is opened", async () => {
  const { keyId } = await (await FileKeyStore.open({ directory: join(folder, "plain") })).create(
    "authority",
    "ec-p256",
  );
  const sealed = openssl(
    "pkcs8",
    "-topk8",
    ...["-scrypt", "-scrypt_N", "16384", "-scrypt_r", "8", "-scrypt_p", "5"],
    ...["-in", join(folder, "plain", `${keyId}.pkcs8.pem`), "-passout", `file:${passphraseFile}`],
    ...["-out", fileOf(keyId)],
  );
  assert.equal(sealed.status, 0, sealed.stderr.toString());
  chmodSync(fileOf(keyId), 0o600);
  const store = await FileKeyStore.open({ directory, sealing });
  assert.equal((await store.open(keyId)).spkiSha256, keyId);
});

function openssl(...args: readonly string[]): { status: number | null; stdout: Buffer; stderr: Buffer } {
  return spawnSync("openssl", args);
}

// pki-samples holds what its script makes, and nothing else; what it holds says that it is a sample.
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { buildSamples } from "../../pki-samples/build.ts";
import { certificatesOnDisk } from "../../pki-samples/certify.ts";
import { WARNING } from "../../pki-samples/keys.ts";
import { decodePem, parseCertificate, sha256Hex } from "../../src/x509/index.ts";
import { samplesFolder } from "./support.ts";

const MAX_BYTES = 400_000;

const checkedIn = readdirSync(samplesFolder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(samplesFolder, join(entry.parentPath, entry.name)))
  .sort();
const read = (path: string): Buffer => readFileSync(join(samplesFolder, path));
const isProgram = (path: string): boolean => path.endsWith(".ts");
const isKey = (path: string): boolean => path.startsWith("keys/");

test("running the script again changes no byte, and leaves no file over", () => {
  const { files } = buildSamples(certificatesOnDisk());
  const made = new Map(files.map(({ path, bytes }) => [path, Buffer.from(bytes)]));
  assert.deepEqual(
    checkedIn.filter((path) => !isProgram(path) && !isKey(path)),
    [...made.keys()].sort(),
  );
  for (const [path, bytes] of made) assert.ok(bytes.equals(read(path)), `${path} is not what make.ts makes`);
});

test("without the certificates that are there the script makes the same ones, but for their signatures", () => {
  const { files } = buildSamples();
  for (const { path, bytes } of files) {
    if (!path.endsWith(".pem")) continue;
    assert.deepEqual(contentsOf(bytes), contentsOf(read(path)), path);
  }
});

test("every text says that it is a sample, and every key is one of its own", () => {
  for (const path of checkedIn.filter((each) => /\.(pem|txt|md)$/.test(each))) {
    assert.ok(read(path).includes(WARNING), path);
  }
  const keys = checkedIn.filter(isKey).map((path) => {
    const key = createPrivateKey(read(path));
    return sha256Hex(key.export({ type: "pkcs8", format: "der" }));
  });
  assert.equal(new Set(keys).size, keys.length);
  assert.ok(keys.length > 10);
});

test("the folder stays small", () => {
  const bytes = checkedIn.reduce((sum, path) => sum + statSync(join(samplesFolder, path)).size, 0);
  assert.ok(bytes < MAX_BYTES, `${bytes} bytes`);
});

/** The TBSCertificates of a PEM file, and the labels and hashes of what else it holds. */
function contentsOf(bytes: Uint8Array): readonly string[] {
  const blocks = decodePem(Buffer.from(bytes).toString());
  return blocks.map(({ label, der }) =>
    label === "CERTIFICATE"
      ? sha256Hex(parseCertificate(der).tbs)
      : label === "PKCS7"
        ? label
        : `${label} ${sha256Hex(der)}`,
  );
}

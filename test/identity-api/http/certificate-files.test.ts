// The certificate of the HTTPS listener from files that somebody else renews: every pair is judged before anybody is shown it, and a
// bad replacement never costs the good one.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CertificateFiles } from "../../../src/identity-api/http/certificate-files.ts";
import { readCertificatePair } from "../../../src/identity-api/http/certificate-pair.ts";
import { encodePem } from "../../../src/x509/index.ts";
import { createIntermediate, freshKey, type TestCertificate } from "../../support/pki.ts";
import { LogLines, MovableClock } from "../../tls/support/endpoints.ts";
import { createWebLeaf, webLeaf, webRoot } from "./https-support.ts";

const folder = mkdtempSync(join(tmpdir(), "mesh-ca-web-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const DAY = 86_400_000;
let made = 0;

function pairFiles() {
  made += 1;
  return { certificateFile: join(folder, `${made}.pem`), keyFile: join(folder, `${made}.key`) };
}

function write(files: ReturnType<typeof pairFiles>, certificatePem: string, keyPem: string): void {
  writeFileSync(files.certificateFile, certificatePem);
  writeFileSync(files.keyFile, keyPem, { mode: 0o600 });
}

async function started(files = pairFiles(), leaf: TestCertificate | null = webLeaf) {
  if (leaf !== null) write(files, leaf.pem, leaf.keyPem);
  const clock = new MovableClock();
  const log = new LogLines();
  const source = new CertificateFiles({ ...files, clock, logger: log, lookMs: 3_600_000 });
  const heard: (number | undefined)[] = [];
  source.onChange(() => heard.push(source.current()?.notAfter));
  await source.start();
  return { files, clock, log, source, heard, [Symbol.asyncDispose]: () => source.close() };
}

async function refusalOf(certificatePem: string, keyPem: string, now = Date.now()): Promise<string> {
  const files = pairFiles();
  write(files, certificatePem, keyPem);
  try {
    await readCertificatePair(files, now);
  } catch (error) {
    assert.ok(error instanceof Error && "code" in error);
    assert.equal(error.code, "MCA_TLS_IDENTITY_INVALID");
    assert.match(error.message, new RegExp(folder));
    return error.message;
  }
  throw new Error("the pair was taken");
}

test("a chain is shown as the file has it, whatever else the file holds, and only certificates of it", async () => {
  const intermediate = createIntermediate(webRoot);
  const leaf = createWebLeaf();
  const files = pairFiles();
  write(files, `issued today\n${leaf.pem}${leaf.keyPem}${intermediate.pem}`, `a remark\n${leaf.keyPem}`);
  const { identity } = await readCertificatePair(files, Date.now());
  assert.equal(identity.certificateChainPem, leaf.pem + intermediate.pem);
  assert.equal(identity.privateKeyPem, leaf.keyPem);
  assert.equal(identity.notAfter, leaf.certificate.notAfter);
});

test("keys are taken in the forms that CAs and tools write", async () => {
  for (const kind of ["ec-p256", "ec-p384", "rsa-2048"] as const) {
    const leaf = createWebLeaf({ key: freshKey(kind) });
    const format = kind === "rsa-2048" ? "pkcs1" : "sec1";
    const traditional = leaf.key.export({ format: "pem", type: format }).toString();
    // What `openssl ecparam -genkey` writes before the key.
    const parameters = encodePem("EC PARAMETERS", Buffer.from("06082a8648ce3d030107", "hex"));
    for (const keyPem of [leaf.keyPem, traditional, ...(format === "sec1" ? [parameters + traditional] : [])]) {
      const files = pairFiles();
      write(files, leaf.pem, keyPem);
      assert.equal((await readCertificatePair(files, Date.now())).identity.privateKeyPem, leaf.keyPem);
    }
  }
});

test("a pair that cannot be used is refused, saying which file and what is wrong", async () => {
  const other = createWebLeaf();
  const weak = createWebLeaf({ key: freshKey("rsa-1024") });
  const encrypted = webLeaf.key
    .export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" })
    .toString();
  const intermediate = createIntermediate(webRoot);
  assert.match(await refusalOf("", webLeaf.keyPem), /is not PEM/);
  assert.match(await refusalOf(webLeaf.keyPem, webLeaf.keyPem), /holds no certificate/);
  assert.match(await refusalOf(encodePem("CERTIFICATE", Uint8Array.of(1, 2, 3)), webLeaf.keyPem), /cannot be read/);
  assert.match(await refusalOf(webLeaf.pem, webLeaf.pem), /exactly one private key; it holds 0/);
  assert.match(await refusalOf(webLeaf.pem, webLeaf.keyPem + other.keyPem), /exactly one private key; it holds 2/);
  assert.match(await refusalOf(webLeaf.pem, encrypted), /is encrypted/);
  assert.match(await refusalOf(webLeaf.pem, encodePem("PRIVATE KEY", Uint8Array.of(48, 0))), /cannot be read/);
  assert.match(await refusalOf(webLeaf.pem, other.keyPem), /is of none of the certificates/);
  assert.match(await refusalOf(intermediate.pem + webLeaf.pem, webLeaf.keyPem), /number 2 in .* put it first/);
  assert.match(await refusalOf(webLeaf.pem, webLeaf.keyPem, Date.now() + 10 * DAY), /ended at/);
  assert.match(await refusalOf(webLeaf.pem, webLeaf.keyPem, Date.now() - 10 * DAY), /valid only from/);
  assert.match(await refusalOf(webLeaf.pem.repeat(9), webLeaf.keyPem), /more than 8 certificates/);
  assert.match(await refusalOf(`${webLeaf.pem}${"#".repeat(1 << 20)}`, webLeaf.keyPem), /larger than 1 MiB/);
  const files = pairFiles();
  write(files, weak.pem, weak.keyPem);
  await assert.rejects(readCertificatePair(files, Date.now()), { code: "MCA_TLS_IDENTITY_INVALID" });
});

test("what is said of a bad key tells nothing of the key", async () => {
  const secret = "MC4CAQAwBQYDK2VwBCIEIGJhc2U2NHNlY3JldA";
  for (const keyPem of [`-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`, secret]) {
    assert.doesNotMatch(await refusalOf(webLeaf.pem, keyPem), /MC4C|base64secret/);
  }
});

test("replaced files are taken up at the next look, also behind a symlink that is swapped", async () => {
  await using on = await started();
  const next = createWebLeaf({ notAfter: Date.now() + 40 * DAY });
  write(on.files, next.pem, next.keyPem);
  await on.source.look();
  assert.equal(on.source.current()?.notAfter, next.certificate.notAfter);
  const elsewhere = pairFiles();
  const linked = createWebLeaf({ notAfter: Date.now() + 50 * DAY });
  write(elsewhere, linked.pem, linked.keyPem);
  for (const name of ["certificateFile", "keyFile"] as const) {
    symlinkSync(elsewhere[name], `${on.files[name]}.new`);
    renameSync(`${on.files[name]}.new`, on.files[name]);
  }
  await on.source.look();
  assert.equal(on.source.current()?.notAfter, linked.certificate.notAfter);
  assert.deepEqual(on.source.problems(), []);
  await on.source.look();
  assert.equal(on.heard.length, 3, "nobody is told of a look that found nothing new");
});

test("a bad replacement keeps the last good pair and is told once; the good one that follows mends it", async () => {
  await using on = await started(pairFiles(), createWebLeaf({ notAfter: Date.now() + 30 * DAY }));
  const before = on.source.current();
  const next = createWebLeaf({ notAfter: Date.now() + 60 * DAY });
  writeFileSync(on.files.certificateFile, next.pem);
  await on.source.look();
  assert.deepEqual(on.source.problems(), [], "one file of two was replaced: the other may follow at once");
  for (let look = 0; look < 3; look++) await on.source.look();
  assert.equal(on.source.current(), before);
  assert.match(String(on.source.problems()), /is of none of the certificates.*The last good one stays until/);
  assert.equal(on.log.lines.filter(({ level }) => level === "error").length, 1);
  writeFileSync(on.files.keyFile, next.keyPem);
  await on.source.look();
  assert.equal(on.source.current()?.notAfter, next.certificate.notAfter);
  assert.deepEqual(on.source.problems(), []);
});

test("files that vanish, or may not be read, keep the last good pair", async () => {
  await using on = await started(pairFiles(), createWebLeaf({ notAfter: Date.now() + 30 * DAY }));
  rmSync(on.files.keyFile);
  await on.source.look();
  await on.source.look();
  assert.notEqual(on.source.current(), undefined);
  assert.match(String(on.source.problems()), /\.key cannot be read \(ENOENT\)/);
  if (process.getuid?.() === 0) return;
  writeFileSync(on.files.keyFile, webLeaf.keyPem);
  chmodSync(on.files.keyFile, 0);
  await on.source.look();
  await on.source.look();
  assert.match(String(on.source.problems()), /EACCES/);
});

test("at the start a bad pair is told at once and shows nothing, and is tried again until it is good", async () => {
  await using on = await started(pairFiles(), null);
  assert.equal(on.source.current(), undefined);
  assert.match(String(on.source.problems()), /cannot be read \(ENOENT\)\. The port is closed/);
  assert.equal(on.log.lines.filter(({ level }) => level === "error").length, 1);
  write(on.files, webLeaf.pem, webLeaf.keyPem);
  await on.source.look();
  assert.equal(on.source.current()?.notAfter, webLeaf.certificate.notAfter);
  assert.deepEqual(on.heard, [webLeaf.certificate.notAfter]);
});

test("a pair that becomes valid later is taken up although its files do not change", async () => {
  const files = pairFiles();
  const leaf = createWebLeaf({ notBefore: Date.now() + DAY, notAfter: Date.now() + 30 * DAY });
  await using on = await started(files, leaf);
  assert.equal(on.source.current(), undefined);
  on.clock.offsetMs = 2 * DAY;
  await on.source.look();
  assert.equal(on.source.current()?.notAfter, leaf.certificate.notAfter);
});

test("the end is told 14 days before, or in the last third of a short life; at the end nothing is shown", async () => {
  const begin = Date.now() - DAY;
  for (const [days, warnedAt] of [
    [90, 76],
    [6, 4],
  ] as const) {
    await using on = await started(pairFiles(), createWebLeaf({ notBefore: begin, notAfter: begin + days * DAY }));
    on.clock.offsetMs = (warnedAt - 1.1) * DAY;
    assert.deepEqual(on.source.problems(), [], `${days} days: too early`);
    on.clock.offsetMs = (warnedAt - 0.9) * DAY;
    assert.match(String(on.source.problems()), /ends at .* Replace both files; no restart is needed/);
    assert.equal(on.heard.length, 1);
    on.clock.offsetMs = days * DAY;
    await on.source.look();
    assert.equal(on.source.current(), undefined);
    assert.deepEqual(on.heard.at(-1), undefined);
    assert.equal(on.heard.length, 2);
    assert.match(String(on.source.problems()), /ended at .*: the port is closed/);
  }
});

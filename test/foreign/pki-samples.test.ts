// The openssl program's own opinion of pki-samples: it reads every form, and its verdict on what each authority would issue is the one
// that index.json tells. Where it does not look at a rule of ours, index.json says "ok", and we are the stricter ones.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildSamples } from "../../pki-samples/build.ts";
import { certificatesOnDisk, SAMPLES_NOW } from "../../pki-samples/certify.ts";
import { sampleKey } from "../../pki-samples/keys.ts";
import { createLeaf, type TestCertificate } from "../support/pki.ts";

const MINUTE_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "mesh-ca-samples-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const { samples } = buildSamples(certificatesOnDisk());

for (const { name, openssl: expected } of samples) {
  if (expected === undefined) continue;
  test(`openssl verify says ${expected.verdict} of what ${name} would issue`, () => {
    const [first] = expected.path;
    assert.ok(first);
    const path = expected.firstIsLeaf ? expected.path : [workloadOf(first), ...expected.path];
    // A server's certificate and a client's: one of the two is enough to refuse.
    const verdicts = ["sslserver", "sslclient"].map((purpose) => verify(path, purpose));
    assert.equal(verdicts.find((verdict) => verdict !== "ok") ?? "ok", expected.verdict);
  });
}

for (const [file, ...args] of [
  ["good/chain.p7b", "pkcs7", "-inform", "DER", "-print_certs"],
  ["good/chain.p7b.pem", "pkcs7", "-print_certs"],
  ["good/authority.cer", "x509", "-inform", "DER"],
  ["good/chain-with-text.txt", "x509"],
  ["broken/request.csr.pem", "req", "-verify"],
  ["broken/authority.p12", "pkcs12", "-nokeys", "-passin", "pass:"],
  ["keys/mesh.key.pem", "pkey"],
] as const) {
  test(`openssl ${args[0]} reads ${file}`, () => {
    const result = openssl(...args, "-in", join(import.meta.dirname, "../../pki-samples", file));
    assert.equal(result.status, 0, result.stderr);
    assert.match(result.stdout, /-----BEGIN /);
  });
}

/** A workload's certificate with the names that the samples' rules grant. */
function workloadOf(authority: TestCertificate): TestCertificate {
  return createLeaf(authority, {
    key: sampleKey("workload"),
    spiffeId: "spiffe://example.test/cart",
    names: ["ca.example.test", "cart.svc.example.test"].map((value) => ({ kind: "dns", value })),
    notBefore: SAMPLES_NOW - MINUTE_MS,
    notAfter: SAMPLES_NOW + 60 * MINUTE_MS,
  });
}

/** "ok", or the number of OpenSSL's error. */
function verify(path: readonly TestCertificate[], purpose: string): "ok" | number {
  const file = (name: string, certificates: readonly TestCertificate[]): string => {
    const to = join(folder, name);
    writeFileSync(to, certificates.map(({ pem }) => pem).join(""));
    return to;
  };
  const result = openssl(
    "verify",
    "-x509_strict",
    "-policy_check",
    ...["-auth_level", "2"],
    ...["-purpose", purpose],
    ...["-attime", String(SAMPLES_NOW / 1000)],
    ...["-CAfile", file("root.pem", path.slice(-1))],
    ...["-untrusted", file("path.pem", path.slice(1, -1))],
    file("leaf.pem", path.slice(0, 1)),
  );
  if (result.status === 0) return "ok";
  const number = /error (\d+) at/.exec(result.stderr + result.stdout)?.[1];
  assert.ok(number, result.stderr);
  return Number(number);
}

function openssl(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync("openssl", args, { encoding: "utf8", input: "" });
}

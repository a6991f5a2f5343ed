import assert from "node:assert/strict";
import { test } from "node:test";
import "reflect-metadata";
import * as peculiar from "@peculiar/x509";
import { type CeremonyFacts, ceremonySheet, offlineUpstream } from "../../../src/ca/upstream/index.ts";
import {
  bytesEqual,
  keyIdentifier,
  nameToString,
  parseCsr,
  sameName,
  sha256Hex,
  toHex,
  verifyCsrSignature,
} from "../../../src/x509/index.ts";
import { NOW } from "../issuance/materials.ts";
import { makeRequest } from "./request.ts";

for (const kind of ["ec-p256", "ec-p384", "rsa-2048", "ed25519"] as const) {
  test(`a request for a key of ${kind} proves possession and asks for what an authority needs`, async () => {
    const { request, signer, recorded } = makeRequest({}, kind);
    const csr = parseCsr((await offlineUpstream().request(request)).csr);
    verifyCsrSignature(csr);
    assert.equal(csr.publicKey.spkiSha256, signer.spkiSha256);
    const keyId = toHex(keyIdentifier(csr.publicKey));
    assert.equal(nameToString(csr.subject), `CN=mesh-ca authority ${keyId},O=example.test`);
    const [first, second, ...others] = recorded;
    assert.ok(first !== undefined && first !== "signed" && first.kind === "csr" && bytesEqual(first.bytes, csr.info));
    assert.ok(second === "signed" && others.length === 0);
    const foreign = new peculiar.Pkcs10CertificateRequest(Uint8Array.from(csr.der));
    const constraints = foreign.extensions.find((each) => each instanceof peculiar.BasicConstraintsExtension);
    assert.deepEqual([constraints?.ca, constraints?.critical, constraints?.pathLength], [true, true, 0]);
    const usages = foreign.extensions.find((each) => each instanceof peculiar.KeyUsagesExtension);
    assert.equal(usages?.usages, peculiar.KeyUsageFlags.keyCertSign | peculiar.KeyUsageFlags.cRLSign);
    assert.equal(usages?.critical, true);
    const ski = foreign.extensions.find((each) => each instanceof peculiar.SubjectKeyIdentifierExtension);
    assert.equal(ski?.keyId, keyId);
  });
}

test("two requests have two subjects", async () => {
  const [a, b] = await Promise.all([0, 1].map(() => offlineUpstream().request(makeRequest().request)));
  assert.ok(a !== undefined && b !== undefined);
  assert.ok(!sameName(parseCsr(a.csr).subject, parseCsr(b.csr).subject));
});

test("no request is signed where it cannot be recorded", async () => {
  const { request } = makeRequest({ recordThenSign: () => Promise.reject(new Error("the ledger is away")) });
  await assert.rejects(offlineUpstream().request(request), /the ledger is away/);
});

async function facts(trustDomain: string, changes: Partial<CeremonyFacts> = {}): Promise<CeremonyFacts> {
  const { request, signer } = makeRequest();
  const { csr } = await offlineUpstream().request(request);
  const { subject, publicKey } = parseCsr(csr);
  return {
    trustDomain,
    subject: nameToString(subject),
    keyId: toHex(keyIdentifier(publicKey)),
    csr,
    spkiSha256: signer.spkiSha256,
    requestedAt: NOW,
    validityDays: 90,
    minimumDays: 7,
    validityArithmetic: "leaves of 24 h + 2 x clock skew of 60 s + 10 s are a sixth of it at most",
    ...changes,
  };
}

test("the ceremony sheet is a page that holds what must be compared, set and run", async () => {
  const given = await facts("example.test");
  const sheet = ceremonySheet(given);
  const lines = sheet.split("\n");
  assert.ok(lines.length <= 70, `${lines.length} lines`);
  for (const line of lines) assert.ok(line.length <= 100, line);
  assert.match(sheet, /^[\x20-\x7e\n]*$/);
  for (const fact of [given.subject, given.keyId, sha256Hex(given.csr), given.spkiSha256, "2026-11-21T12:00:00"]) {
    assert.ok(sheet.includes(fact), fact);
  }
  for (const what of [
    /openssl x509 -req/,
    /certreq -submit/,
    /EJBCA/,
    /use_csr_values=true/,
    /authority import --reason "\.\.\." --dry-run/,
    /certutil -hashfile/,
  ]) {
    assert.match(sheet, what);
  }
  assert.match(sheet, /CA:TRUE, path length 0/);
  assert.match(sheet, /90 days recommended, 7 at least/);
  assert.equal(lines.filter((line) => /_{40} {3}Date _+/.test(line)).length, 2);
  assert.equal(ceremonySheet(given), sheet);
});

test("the longest names fit on the sheet, and its file and path length are as told", async () => {
  const label = "a".repeat(60);
  const long = `${label}.${label}.${label}.${label}.test`;
  const sheet = ceremonySheet(await facts(long, { csrFile: "req.pem", pathLength: 1 }));
  const lines = sheet.split("\n");
  assert.ok(lines.length <= 78 && lines.every((line) => line.length <= 100));
  assert.match(sheet, /-in req\.pem/);
  assert.match(sheet, /pathlen:1/);
  assert.match(sheet, /max_path_length=1/);
});

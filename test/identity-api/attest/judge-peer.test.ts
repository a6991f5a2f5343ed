import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { PeerVerdict } from "../../../src/identity-api/attest/index.ts";
import { PeerJudge } from "../../../src/identity-api/attest/judge-peer.ts";
import { X509Attestor } from "../../../src/identity-api/attest/x509-attestor.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { TrustDomain, type TrustSet } from "../../../src/spiffe/index.ts";
import { oid } from "../../../src/x509/index.ts";
import {
  createCertificate,
  createIntermediate,
  createLeaf,
  createRoot,
  type TestCertificate,
} from "../../support/pki.ts";
import { temporaryFolder } from "../../support/postgres.ts";

const HOUR = 3_600_000;
const since = { notBefore: Date.now() - 30 * 24 * HOUR };
const enterprise = createRoot({ ...since, subject: "Enterprise Root" });
const authority = createIntermediate(enterprise, { ...since, subject: "mesh authority", pathLength: 0 });
const sibling = createIntermediate(enterprise, { ...since, subject: "Other Team CA" });
const ended = createIntermediate(enterprise, { ...since, subject: "authority that was removed" });

function trustSet(authorities: readonly TestCertificate[], changes: Partial<TrustSet> = {}): TrustSet {
  return {
    trustDomain: TrustDomain.parse("example.test"),
    anchors: [enterprise.certificate],
    authorities: authorities.map(({ certificate }) => certificate),
    intermediates: [],
    distrustedSpkis: new Set(),
    revocations: [],
    sequence: 1n,
    revision: 1n,
    refreshHintSeconds: 300,
    ...changes,
  };
}

let folder: string;
let corp: X509Attestor;
before(async () => {
  folder = await temporaryFolder();
  const caFile = join(folder, "ca.pem");
  await writeFile(caFile, enterprise.pem);
  corp = new X509Attestor("corp", { kind: "x509", caFile }, { now: () => now }, silentLogger);
});
after(() => rm(folder, { recursive: true }));

let now = Date.now();
let live = trustSet([authority]);

function judge(...chain: readonly TestCertificate[]): PeerVerdict {
  const judgeNow = new PeerJudge({
    trust: () => live,
    trustForExpired: () => trustSet([authority, ended]),
    x509: [corp],
    clock: { now: () => now },
  });
  return judgeNow.judge(chain.map(({ certificate }) => certificate));
}

function refusedWith(verdict: PeerVerdict): string {
  assert.equal(verdict.kind, "refused");
  return verdict.kind === "refused" ? verdict.error.code : "";
}

const machine = { subject: "db1.corp", keyUsage: ["digitalSignature"], extendedKeyUsage: [oid.clientAuth] } as const;

test("no certificate is anonymous", () => {
  assert.deepEqual(judge(), { kind: "anonymous" });
});

test("an SVID by a published authority is verified", () => {
  const verdict = judge(createLeaf(authority), authority);
  assert(verdict.kind === "svid");
  assert.equal(verdict.svid.id.toString(), "spiffe://example.test/workload");
});

test("X-16: an SVID by a sibling CA under the enterprise root is refused, and the enterprise path is no second chance", () => {
  assert.equal(refusedWith(judge(createLeaf(sibling), sibling)), "MCA_SVID_UNTRUSTED");
  const both = createLeaf(sibling, {
    subject: "db1.corp",
    spiffeId: "spiffe://example.test/admin",
    names: [{ kind: "dns", value: "db1.corp" }],
  });
  assert.equal(refusedWith(judge(both, sibling)), "MCA_SVID_UNTRUSTED");
});

test("whatever names a spiffe ID, in any spelling, is never an enterprise certificate", () => {
  for (const value of [
    "SPIFFE://example.test/a",
    "Spiffe:x",
    "spiffe:",
    "spiffe://other.test/a",
    "spiffe://example.test",
  ]) {
    const leaf = createCertificate(enterprise, { ...machine, names: [{ kind: "uri", value }] });
    assert.match(refusedWith(judge(leaf)), /^MCA_(SVID|SPIFFE)/, value);
  }
  const mixed = createCertificate(enterprise, {
    ...machine,
    names: [
      { kind: "uri", value: "https://a.example/" },
      { kind: "uri", value: "spiffe://example.test/a" },
    ],
  });
  assert.match(refusedWith(judge(mixed)), /^MCA_SVID/);
});

test("an SVID that has expired is judged as of its last second, and is no live SVID", () => {
  const leaf = createLeaf(authority, { notBefore: now - 2 * HOUR, notAfter: now - HOUR });
  const verdict = judge(leaf);
  assert(verdict.kind === "expired-svid");
  assert.equal(verdict.expiredAt, leaf.certificate.notAfter);
  assert.equal(verdict.svid.id.toString(), "spiffe://example.test/workload");
});

test("an expired SVID may be of an authority that was removed meanwhile; a live one may not", () => {
  const span = { notBefore: now - 2 * HOUR, notAfter: now - HOUR };
  assert.equal(judge(createLeaf(ended, span)).kind, "expired-svid");
  assert.equal(refusedWith(judge(createLeaf(ended))), "MCA_SVID_UNTRUSTED");
});

test("an expired certificate of nobody we know, or that was never valid, stays refused", () => {
  const span = { notBefore: now - 2 * HOUR, notAfter: now - HOUR };
  assert.equal(refusedWith(judge(createLeaf(sibling, span), sibling)), "MCA_SVID_UNTRUSTED");
  const before = createLeaf(authority, { notBefore: now - 365 * 24 * HOUR, notAfter: now - 364 * 24 * HOUR });
  assert.equal(refusedWith(judge(before)), "MCA_SVID_UNTRUSTED", "older than its authority");
  const forged = createLeaf(authority, { ...span, signWith: sibling.key });
  assert.equal(refusedWith(judge(forged)), "MCA_SVID_UNTRUSTED");
});

test("an expired SVID that was revoked, or whose authority is distrusted, stays refused", () => {
  const leaf = createLeaf(authority, { notBefore: now - 2 * HOUR, notAfter: now - HOUR });
  const judgeWith = (changes: Partial<TrustSet>) =>
    new PeerJudge({
      trust: () => live,
      trustForExpired: () => trustSet([authority], changes),
      x509: [],
      clock: { now: () => now },
    }).judge([leaf.certificate]);
  assert.equal(
    refusedWith(judgeWith({ revocations: [{ kind: "serial", serial: leaf.certificate.serialHex }] })),
    "MCA_SVID_REVOKED",
  );
  const distrustedSpkis = new Set([authority.certificate.publicKey.spkiSha256]);
  assert.equal(refusedWith(judgeWith({ distrustedSpkis })), "MCA_SVID_UNTRUSTED");
});

test("an SVID of the future is refused and not taken for an expired one", () => {
  const leaf = createLeaf(authority, { notBefore: now + HOUR, notAfter: now + 2 * HOUR });
  assert.equal(refusedWith(judge(leaf)), "MCA_SVID_NOT_YET_VALID");
});

test("a change of trust is a new judgement", () => {
  const leaf = createLeaf(authority);
  const peers = new PeerJudge({ trust: () => live, trustForExpired: () => live, x509: [], clock: { now: () => now } });
  assert.equal(peers.judge([leaf.certificate]).kind, "svid");
  live = trustSet([sibling]);
  try {
    assert.equal(refusedWith(peers.judge([leaf.certificate])), "MCA_SVID_UNTRUSTED");
  } finally {
    live = trustSet([authority]);
  }
});

test("a certificate of the enterprise PKI is evidence, with its names as attributes", () => {
  const leaf = createCertificate(sibling, {
    ...machine,
    serial: Uint8Array.of(0x0a, 0xbc),
    names: [
      { kind: "dns", value: "db1.corp.example" },
      { kind: "email", value: "ops@corp.example" },
      { kind: "uri", value: "urn:machine:1" },
    ],
  });
  const verdict = judge(leaf, sibling);
  assert(verdict.kind === "enterprise");
  assert.equal(verdict.attestor, "corp");
  assert.equal(verdict.requester, "x509:corp:0abc");
  assert.deepEqual(Object.fromEntries(verdict.attributes), {
    "corp.serial": "0abc",
    "corp.issuer": "CN=Other Team CA",
    "corp.commonName": "db1.corp",
    "corp.issuerCommonName": "Other Team CA",
    "corp.dns": "db1.corp.example",
    "corp.dns1": "db1.corp.example",
    "corp.email": "ops@corp.example",
    "corp.email1": "ops@corp.example",
    "corp.uri": "urn:machine:1",
    "corp.uri1": "urn:machine:1",
  });
});

test("of several names none is the name: they are numbered", () => {
  const leaf = createCertificate(enterprise, {
    ...machine,
    names: [
      { kind: "dns", value: "db1" },
      { kind: "dns", value: "db1.corp.example" },
    ],
  });
  const verdict = judge(leaf);
  assert(verdict.kind === "enterprise");
  assert.equal(verdict.attributes.get("corp.dns"), undefined);
  assert.equal(verdict.attributes.get("corp.dns1"), "db1");
  assert.equal(verdict.attributes.get("corp.dns2"), "db1.corp.example");
});

test("an enterprise certificate that is not for TLS clients, or is a CA, is refused", () => {
  for (const [why, changes] of [
    ["no extended key usage", { extendedKeyUsage: null }],
    ["for servers only", { extendedKeyUsage: [oid.serverAuth] }],
    ["any usage", { extendedKeyUsage: [oid.anyExtendedKeyUsage] }],
    ["key usage without digitalSignature", { keyUsage: ["keyEncipherment"] }],
    ["a CA", { ca: true, keyUsage: ["digitalSignature", "keyCertSign"] }],
    ["keyCertSign without being a CA", { keyUsage: ["digitalSignature", "keyCertSign"] }],
    ["expired", { notBefore: now - 2 * HOUR, notAfter: now - HOUR }],
    ["of the future", { notBefore: now + HOUR, notAfter: now + 2 * HOUR }],
    ["signed by another key", { signWith: sibling.key }],
  ] as const) {
    const leaf = createCertificate(enterprise, { ...machine, ...changes });
    assert.equal(refusedWith(judge(leaf)), "MCA_PEER_REFUSED", why);
  }
  const stranger = createRoot({ subject: "Enterprise Root" });
  assert.equal(refusedWith(judge(createCertificate(stranger, machine))), "MCA_PEER_REFUSED");
  assert.equal(refusedWith(judge(createCertificate(stranger, machine), stranger)), "MCA_PEER_REFUSED");
});

test("a name with control characters is refused and not shortened", () => {
  const leaf = createCertificate(enterprise, { ...machine, subject: "db1\nadmin" });
  assert.equal(refusedWith(judge(leaf)), "MCA_PEER_REFUSED");
});

test("where no enterprise PKI is configured, a certificate without a spiffe ID is refused and told so", () => {
  const peers = new PeerJudge({ trust: () => live, trustForExpired: () => live, x509: [], clock: { now: () => now } });
  const verdict = peers.judge([createCertificate(enterprise, machine).certificate]);
  assert.equal(refusedWith(verdict), "MCA_PEER_REFUSED");
  assert(verdict.kind === "refused" && /no enterprise PKI is configured/.test(verdict.error.message));
});

test("the anchors of the enterprise are replaced while the server runs; a bad file keeps the last good ones", async () => {
  const caFile = join(folder, "rotating.pem");
  const next = createRoot({ subject: "Next Root" });
  await writeFile(caFile, enterprise.pem);
  const attestor = new X509Attestor("corp", { kind: "x509", caFile }, { now: () => now }, silentLogger);
  const leaf = createCertificate(next, machine).certificate;
  assert.throws(() => attestor.validate([leaf], now));
  await writeFile(caFile, next.pem + enterprise.pem);
  now += 3000;
  assert.equal(attestor.validate([leaf], now).evidence.attestor, "corp");
  for (const bad of ["", "nothing", createLeaf(next).pem, createLeaf(next).keyPem]) {
    await writeFile(caFile, bad);
    now += 3000;
    assert.equal(attestor.validate([leaf], now).evidence.attestor, "corp");
    assert.notEqual(attestor.problem, undefined);
  }
});

test("a file of anchors that cannot be used is refused at start", async () => {
  const caFile = join(folder, "bad.pem");
  const make = () => new X509Attestor("corp", { kind: "x509", caFile }, { now: () => now }, silentLogger);
  assert.throws(make, { code: "MCA_ATTESTOR_INVALID" });
  for (const [bad, why] of [
    ["", /corp/],
    [enterprise.keyPem, /only the certificates/],
    [createLeaf(enterprise).pem, /no CA certificate/],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", /corp/],
  ] as const) {
    await writeFile(caFile, bad);
    assert.throws(
      make,
      (error: unknown) => error instanceof Error && error.name === "AttestError" && why.test(error.message),
      String(why),
    );
  }
});

// The issuer's side of spec/spiffe.md, section 2: certificates that went the whole way (real PostgreSQL, ledger, lint,
// signature), read by @peculiar/x509 and OpenSSL, not by our own reader.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, test } from "node:test";
import "reflect-metadata";
import * as peculiar from "@peculiar/x509";
import { IssuanceError, type IssuedX509Svid, type X509SvidRequest } from "../../src/ca/issuance/index.ts";
import type { KeyAlgorithm } from "../../src/ca/keys/index.ts";
import { acceptUpstreamAnswer } from "../../src/ca/upstream/index.ts";
import { SpiffeId, TrustDomain, X509SvidVerifier } from "../../src/spiffe/index.ts";
import { parseCertificate } from "../../src/x509/index.ts";
import { makeCsr, makeKey } from "../ca/issuance/materials.ts";
import { createWorld, makeGrant, makeRequest, type World } from "../ca/issuance/world.ts";

let world: World;
before(async () => {
  world = await createWorld();
});
after(() => world.close());

const KEYS: readonly KeyAlgorithm[] = ["ec-p256", "ec-p384", "ed25519", "rsa-2048"];

async function issue(fields: Partial<X509SvidRequest> = {}): Promise<{
  readonly issued: IssuedX509Svid;
  readonly leaf: peculiar.X509Certificate;
  readonly openSsl: X509Certificate;
}> {
  const issued = await world.issuer.issueX509Svid(makeRequest(fields));
  const [der] = issued.chain;
  assert.ok(der);
  return { issued, leaf: new peculiar.X509Certificate(Uint8Array.from(der)), openSsl: new X509Certificate(der) };
}

/** Leaves of every kind that is issued. */
async function everyKind() {
  const leaves = [];
  for (const algorithm of KEYS) leaves.push(await issue({ csrDer: makeCsr({ key: makeKey(algorithm) }).der }));
  leaves.push(await issue({ grant: makeGrant({ dnsNames: ["cart.example.test", "cart"] }) }));
  const own = await world.issuer.issueServerSvid({ csrDer: makeCsr().der, dnsNames: ["ca.example.test"] });
  const [der] = own.chain;
  assert.ok(der);
  leaves.push({
    issued: own,
    leaf: new peculiar.X509Certificate(Uint8Array.from(der)),
    openSsl: new X509Certificate(der),
  });
  return leaves;
}

function authority(): peculiar.X509Certificate {
  return new peculiar.X509Certificate(Uint8Array.from(world.authorities.active().certificate.der));
}

const namesOf = (certificate: peculiar.X509Certificate) =>
  certificate.getExtension(peculiar.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];

test("X-1: a leaf has exactly one URI name, the granted SPIFFE ID, whatever its DNS names", async () => {
  for (const { leaf, issued } of await everyKind()) {
    const uris = namesOf(leaf).filter(({ type }) => type === "url");
    assert.deepEqual(uris, [{ type: "url", value: issued.spiffeId.toString() }]);
  }
});

test("X-1: a CSR with several URI names is refused, and nothing is recorded", async () => {
  const size = (await world.entries()).length;
  const csrDer = makeCsr({ uriSans: ["spiffe://example.test/ns/shop/sa/cart", "https://example.test/"] }).der;
  await assert.rejects(
    issue({ csrDer }),
    (error) => error instanceof IssuanceError && error.code === "MCA_CSR_URI_SANS",
  );
  assert.equal((await world.entries()).length, size);
});

test("X-2: a leaf's ID has the scheme spiffe and a path; the ID of the trust domain itself is never issued", async () => {
  for (const { leaf } of await everyKind()) {
    const [uri] = namesOf(leaf).filter(({ type }) => type === "url");
    assert.match(uri?.value ?? "", /^spiffe:\/\/example\.test\/.+/);
  }
  const spiffeId = SpiffeId.parse("spiffe://example.test");
  await assert.rejects(
    issue({ grant: makeGrant({ spiffeId }) }),
    (error) => error instanceof IssuanceError && error.code === "MCA_LINT_FAILED" && error.details["rule"] === "X-2",
  );
});

test("X-3: a leaf's subject is empty and its SAN critical", async () => {
  for (const { leaf } of await everyKind()) {
    assert.equal(leaf.subject, "");
    assert.equal(leaf.getExtension(peculiar.SubjectAlternativeNameExtension)?.critical, true);
  }
});

test("X-4: a leaf says cA=false without a path length, its authority cA=true, both critical", async () => {
  for (const { leaf, openSsl } of await everyKind()) {
    const constraints = leaf.getExtension(peculiar.BasicConstraintsExtension);
    assert.deepEqual([constraints?.ca, constraints?.critical, constraints?.pathLength], [false, true, undefined]);
    assert.equal(openSsl.ca, false);
  }
  const constraints = authority().getExtension(peculiar.BasicConstraintsExtension);
  assert.deepEqual([constraints?.ca, constraints?.critical], [true, true]);
});

test("X-5: key usage is present and critical on every certificate", async () => {
  for (const { leaf } of await everyKind()) {
    assert.equal(leaf.getExtension(peculiar.KeyUsagesExtension)?.critical, true);
  }
  assert.equal(authority().getExtension(peculiar.KeyUsagesExtension)?.critical, true);
});

test("X-6: a leaf's key usage is digitalSignature alone, for RSA keys too", async () => {
  for (const { leaf } of await everyKind()) {
    assert.equal(leaf.getExtension(peculiar.KeyUsagesExtension)?.usages, peculiar.KeyUsageFlags.digitalSignature);
  }
});

test("X-8: an authority's key usage is keyCertSign and cRLSign", () => {
  const { keyCertSign, cRLSign } = peculiar.KeyUsageFlags;
  assert.equal(authority().getExtension(peculiar.KeyUsagesExtension)?.usages, keyCertSign | cRLSign);
});

test("X-9: a leaf's extended key usage is serverAuth and clientAuth, not critical", async () => {
  for (const { leaf } of await everyKind()) {
    const usage = leaf.getExtension(peculiar.ExtendedKeyUsageExtension);
    assert.deepEqual([...(usage?.usages ?? [])].map(String), ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assert.equal(usage?.critical, false);
  }
});

test("X-10, ID-7: an authority's SPIFFE ID is its trust domain without a path", () => {
  assert.deepEqual(namesOf(authority()), [{ type: "url", value: "spiffe://example.test" }]);
  const { certificate } = world.authorities.active();
  const terms = {
    spkiSha256: certificate.publicKey.spkiSha256,
    trustDomain: TrustDomain.parse("other.test"),
    now: world.clock.now(),
    dnsGrants: [],
  };
  const answer = { certificate: certificate.der, intermediates: [], anchor: certificate.der };
  assert.throws(() => acceptUpstreamAnswer(answer, terms));
});

test("X-12: a leaf verifies with the bundle of its own trust domain, by our verifier and by OpenSSL", async () => {
  const verifier = new X509SvidVerifier(world.authorities.trustSet());
  const root = new X509Certificate(world.authorities.active().certificate.der);
  for (const { issued, openSsl } of await everyKind()) {
    const chain = issued.chain.map((der) => parseCertificate(der));
    assert.equal(verifier.verify(chain, world.clock.now()).id.toString(), issued.spiffeId.toString());
    assert.ok(openSsl.verify(root.publicKey));
    assert.ok(openSsl.checkIssued(root));
  }
});

test("X-13: no name constraints are written unless asked for", () => {
  assert.equal(authority().getExtension("2.5.29.30"), null);
});

test("X-14: leaves carry the key id of their key and of their authority, and their issuer is its subject, byte for byte", async () => {
  const above = parseCertificate(world.authorities.active().certificate.der);
  const aboveKeyId = authority().getExtension(peculiar.SubjectKeyIdentifierExtension)?.keyId;
  for (const { leaf, issued } of await everyKind()) {
    assert.equal(leaf.getExtension(peculiar.AuthorityKeyIdentifierExtension)?.keyId, aboveKeyId);
    assert.match(leaf.getExtension(peculiar.SubjectKeyIdentifierExtension)?.keyId ?? "", /^[0-9a-f]{40}$/);
    const [der] = issued.chain;
    assert.ok(der);
    assert.deepEqual(Buffer.from(parseCertificate(der).issuer), Buffer.from(above.subject));
  }
});

test("X-14: no two authorities have one subject", async () => {
  const { spkiSha256 } = await world.authorities.prepare("test");
  const subjects = world.authorities
    .published()
    .map(({ certificate }) => Buffer.from(certificate.subject).toString("hex"));
  assert.equal(subjects.length, 2);
  assert.equal(new Set(subjects).size, 2);
  await world.authorities.retire(spkiSha256, "test");
});

test("X-17: no grant yields a reserved ID; the server's own is exactly /mesh-ca/server", async () => {
  for (const path of ["/mesh-ca/server", "/mesh-ca/agent/host1", "/mesh-ca/probe", "/mesh-ca"]) {
    const spiffeId = SpiffeId.parse(`spiffe://example.test${path}`);
    await assert.rejects(
      issue({ grant: makeGrant({ spiffeId }) }),
      (error) => error instanceof IssuanceError && error.code === "MCA_ID_RESERVED",
    );
  }
  const own = await world.issuer.issueServerSvid({ csrDer: makeCsr().der });
  assert.equal(own.spiffeId.toString(), "spiffe://example.test/mesh-ca/server");
});

test("RFC 5280 4.1.2.2: serial numbers are positive, 17 octets long, begin with the replica, and differ", async () => {
  const serials = new Set<string>();
  for (const { leaf } of [...(await everyKind()), ...(await everyKind())]) {
    assert.match(leaf.serialNumber, /^01[0-9a-f]{32}$/);
    serials.add(leaf.serialNumber);
  }
  assert.equal(serials.size, 2 * (KEYS.length + 2));
});

test("RFC 5280 4.1.2.5: a leaf begins a clock skew ago and never outlives its authority", async () => {
  const { certificate } = world.authorities.active();
  const now = world.clock.now();
  const { leaf } = await issue();
  assert.equal(leaf.notBefore.getTime(), now - 60_000);
  assert.equal(leaf.notAfter.getTime(), now + 3_600_000);
  assert.ok(leaf.notAfter.getTime() <= certificate.notAfter);
});

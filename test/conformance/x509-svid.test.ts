// X509-SVID: the rules of the conformance table as far as a verifier, or a reader of one certificate, can see them.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkAuthorityCertificate,
  parseX509Svid,
  SpiffeError,
  TrustDomain,
  X509SvidVerifier,
} from "../../src/spiffe/index.ts";
import { encodeExtension, keyUsageExtension, oid, PathError } from "../../src/x509/index.ts";
import { authority, certificatesOf, nextAuthority, root, sibling, trustDomain, trustOf } from "../spiffe/support.ts";
import {
  type CertificateOptions,
  createCertificate,
  createIntermediate,
  createLeaf,
  createRoot,
  generalNameDer,
  nameConstraintsExtension,
  type TestCertificate,
} from "../support/pki.ts";

const now = Date.now();

function refusesLeaf(rule: string, options: CertificateOptions): void {
  const leaf = createLeaf(authority, options);
  const isRule = (error: unknown): boolean =>
    error instanceof SpiffeError && error.code === "MCA_SVID_INVALID" && error.details["rule"] === rule;
  assert.throws(() => parseX509Svid(leaf.certificate), isRule);
  // The verifier refuses it as well, although its signature and path are good.
  assert.throws(() => new X509SvidVerifier(trustOf()).verify([leaf.certificate, authority.certificate], now), isRule);
}

function refusesChain(rule: string, trust: Parameters<typeof trustOf>[0], ...chain: readonly TestCertificate[]): void {
  assert.throws(
    () => new X509SvidVerifier(trustOf(trust)).verify(certificatesOf(...chain), now),
    (error: unknown) =>
      error instanceof SpiffeError && error.code === "MCA_SVID_UNTRUSTED" && error.details["rule"] === rule,
  );
}

test("X-1: exactly one URI name; DNS and IP names do not matter", () => {
  const uri = (value: string) => ({ kind: "uri", value }) as const;
  const id = "spiffe://example.test/cart";
  const leaf = createLeaf(authority, {
    names: [{ kind: "dns", value: "cart.example.test" }, uri(id), { kind: "ip", bytes: Uint8Array.of(127, 0, 0, 1) }],
  });
  assert.equal(parseX509Svid(leaf.certificate).id.toString(), id);
  refusesLeaf("X-1", { names: [uri(id), uri("spiffe://example.test/other")] });
  refusesLeaf("X-1", { names: [uri(id), uri(id)] });
  refusesLeaf("X-1", { names: [uri(id), uri("https://example.test/")] });
  refusesLeaf("X-1", { names: [uri("https://example.test/"), uri(id)] });
  refusesLeaf("X-1", { names: [{ kind: "dns", value: "cart.example.test" }] });
  refusesLeaf("X-1", { names: [] });
});

test("X-2: the leaf's ID has the scheme spiffe and a path", () => {
  refusesLeaf("X-2", { spiffeId: "spiffe://example.test" });
  refusesLeaf("X-2", { spiffeId: "spiffe://example.test/" });
  refusesLeaf("X-2", { spiffeId: "https://example.test/cart" });
  refusesLeaf("X-2", { spiffeId: "SPIFFE://example.test/cart" });
  refusesLeaf("X-2", { spiffeId: "spiffe://example.test/cart/" });
  refusesLeaf("X-2", { spiffeId: "spiffe://example.test:443/cart" });
});

test("X-3: with an empty subject the alternative name is critical", () => {
  refusesLeaf("X-3", { namesCritical: false });
  const named = createLeaf(authority, { subject: "cart", namesCritical: false });
  assert.equal(parseX509Svid(named.certificate).id.path, "/workload");
});

test("X-4: a leaf is no CA and has no path length; a signing certificate is a CA", () => {
  refusesLeaf("X-7", { ca: true });
  assert.doesNotThrow(() => checkAuthorityCertificate(authority.certificate, trustDomain));
  assert.throws(() => checkAuthorityCertificate(createLeaf(root).certificate, trustDomain), {
    code: "MCA_SVID_INVALID",
  });
  const noCa = createCertificate(root, { subject: "No CA", ca: false, keyUsage: ["keyCertSign"] });
  assert.throws(() => checkAuthorityCertificate(noCa.certificate, trustDomain), /X-4/);
  const uri = (value: string) => ({ kind: "uri" as const, value });
  const two = createIntermediate(root, { names: [uri(trustDomain.id), uri("https://pki.example.test/")] });
  assert.throws(() => checkAuthorityCertificate(two.certificate, trustDomain), /X-1\b/);
  refusesChain("basic-constraints", { authorities: [noCa.certificate] }, createLeaf(noCa));
});

test("X-5: key usage is present and critical", () => {
  refusesLeaf("X-5", { keyUsage: null });
  refusesLeaf("X-5", { keyUsage: null, extraExtensions: [keyUsageExtension(["digitalSignature"], false)] });
  const ca = createIntermediate(root, { keyUsage: null });
  assert.throws(() => checkAuthorityCertificate(ca.certificate, trustDomain), /X-5/);
});

test("X-6: a leaf may have keyEncipherment and keyAgreement beside digitalSignature", () => {
  const leaf = createLeaf(authority, { keyUsage: ["digitalSignature", "keyEncipherment", "keyAgreement"] });
  assert.equal(parseX509Svid(leaf.certificate).id.path, "/workload");
});

test("X-7: a leaf that is a CA, or may sign certificates or revocation lists, is refused", () => {
  refusesLeaf("X-7", { ca: true });
  refusesLeaf("X-7", { ca: true, keyUsage: ["digitalSignature", "keyCertSign"] });
  refusesLeaf("X-7", { keyUsage: ["digitalSignature", "keyCertSign"] });
  refusesLeaf("X-7", { keyUsage: ["digitalSignature", "cRLSign"] });
});

test("X-8: a signing certificate may sign certificates", () => {
  const ca = createIntermediate(root, { subject: "Only CRLs", keyUsage: ["cRLSign"] });
  assert.throws(() => checkAuthorityCertificate(ca.certificate, trustDomain), /X-8/);
  refusesChain("key-usage", { authorities: [ca.certificate] }, createLeaf(ca));
  assert.doesNotThrow(() =>
    checkAuthorityCertificate(createIntermediate(root, { keyUsage: ["keyCertSign"] }).certificate, trustDomain),
  );
});

test("X-9: extended key usage, if present, is for servers and clients alike", () => {
  assert.equal(parseX509Svid(createLeaf(authority, { extendedKeyUsage: null }).certificate).id.path, "/workload");
  refusesLeaf("X-9", { extendedKeyUsage: [oid.serverAuth] });
  refusesLeaf("X-9", { extendedKeyUsage: [oid.clientAuth] });
  refusesLeaf("X-9", { extendedKeyUsage: [oid.anyExtendedKeyUsage] });
  const more = createLeaf(authority, { extendedKeyUsage: [oid.clientAuth, "1.3.6.1.5.5.7.3.4", oid.serverAuth] });
  assert.equal(parseX509Svid(more.certificate).id.path, "/workload");
});

test("X-10: a signing certificate's SPIFFE ID, if it has one, is its trust domain's", () => {
  const withId = (spiffeId: string): TestCertificate => createIntermediate(root, { spiffeId });
  assert.doesNotThrow(() => checkAuthorityCertificate(withId("spiffe://example.test").certificate, trustDomain));
  assert.doesNotThrow(() => checkAuthorityCertificate(withId("https://pki.example.test/").certificate, trustDomain));
  for (const id of ["spiffe://example.test/ca", "spiffe://other.test", "spiffe://example.test/"]) {
    assert.throws(() => checkAuthorityCertificate(withId(id).certificate, trustDomain), /X-10/, id);
  }
});

test("X-11: a signing certificate authenticates nobody, and neither does a leaf that is itself an anchor", () => {
  const caWithId = createIntermediate(root, { spiffeId: "spiffe://example.test/cart" });
  assert.throws(() => new X509SvidVerifier(trustOf()).verify(certificatesOf(caWithId), now), {
    code: "MCA_SVID_INVALID",
  });
  const selfSigned = createCertificate(undefined, {
    spiffeId: "spiffe://example.test/cart",
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.serverAuth, oid.clientAuth],
  });
  for (const authorities of [undefined, [selfSigned.certificate]]) {
    assert.throws(
      () =>
        new X509SvidVerifier(trustOf({ anchors: [selfSigned.certificate], authorities })).verify(
          certificatesOf(selfSigned),
          now,
        ),
      { code: "MCA_SVID_UNTRUSTED" },
    );
  }
});

test("X-12: the path is validated with the anchors of the leaf's own trust domain only", () => {
  const verifier = new X509SvidVerifier(trustOf());
  const leaf = createLeaf(authority, { spiffeId: "spiffe://example.test/cart" });
  const verified = verifier.verify(certificatesOf(leaf, authority), now);
  assert.equal(verified.id.toString(), "spiffe://example.test/cart");
  assert.deepEqual(verified.path, certificatesOf(leaf, authority, root));
  assert.equal(verified.leaf, leaf.certificate);
  assert.equal(verified.issuer, authority.certificate);

  refusesChain("X-12", {}, createLeaf(authority, { spiffeId: "spiffe://other.test/cart" }));
  refusesChain("X-12", { trustDomain: TrustDomain.parse("other.test") }, leaf);
  const otherRoot = createRoot({ subject: "Other Root" });
  refusesChain("issuer-unknown", { anchors: [otherRoot.certificate] }, leaf, authority, root);
  refusesChain("issuer-unknown", { anchors: [] }, leaf, authority, root);
  refusesChain("signature", {}, createLeaf(authority, { signWith: sibling.key }), authority);
  const outside = encodeExtension("1.3.6.1.4.1.99999.1", true, Uint8Array.of(5, 0));
  refusesChain("unknown-critical-extension", {}, createLeaf(authority, { extraExtensions: [outside] }));
  assert.throws(() => verifier.verify([], now), { code: "MCA_SVID_UNTRUSTED" });
});

test("X-12: too long a chain is refused before anything is checked", () => {
  const leaf = createLeaf(authority);
  const chain = [leaf, ...Array.from({ length: 8 }, () => authority)];
  refusesChain("X-12", {}, ...chain);
  refusesChain("X-12", { authorities: undefined }, ...chain);
});

test("X-13: URI name constraints of an authority bind its leaves, also when another leaf of it was verified before", () => {
  const constrained = createIntermediate(root, {
    subject: "Constrained",
    nameConstraints: nameConstraintsExtension({ permitted: [generalNameDer.uri("example.test")] }),
  });
  const excluding = createIntermediate(root, {
    subject: "Excluding",
    nameConstraints: nameConstraintsExtension({ excluded: [generalNameDer.dns("secret.example.test")] }),
  });
  const verifier = new X509SvidVerifier(trustOf({ authorities: certificatesOf(constrained, excluding) }));
  assert.ok(verifier.verify(certificatesOf(createLeaf(constrained)), now));
  const id = { kind: "uri", value: "spiffe://example.test/cart" } as const;
  assert.ok(
    verifier.verify(
      certificatesOf(createLeaf(excluding, { names: [id, { kind: "dns", value: "cart.example.test" }] })),
      now,
    ),
  );
  const banned = createLeaf(excluding, { names: [id, { kind: "dns", value: "secret.example.test" }] });
  assert.throws(
    () => verifier.verify(certificatesOf(banned), now),
    (error: unknown) =>
      error instanceof SpiffeError && error.cause instanceof PathError && error.cause.rule === "name-constraints",
  );
});

test("X-14: several authorities may share a subject: the one whose key signed is found", () => {
  const twins = [1, 2, 3].map(() => createIntermediate(root, { subject: "Twin" }));
  const verifier = new X509SvidVerifier(trustOf({ authorities: certificatesOf(...twins) }));
  for (const twin of twins) {
    assert.equal(verifier.verify(certificatesOf(createLeaf(twin)), now).issuer, twin.certificate);
  }
});

test("X-15: a leaf without digitalSignature is refused", () => {
  refusesLeaf("X-15", { keyUsage: ["keyEncipherment"] });
  refusesLeaf("X-15", { keyUsage: ["keyAgreement"] });
});

test("X-16: a leaf by a sibling CA under the same root is refused, whatever it presents along", () => {
  const leaf = createLeaf(sibling, { spiffeId: "spiffe://example.test/mesh-ca/server" });
  refusesChain("X-16", {}, leaf, sibling);
  refusesChain("X-16", {}, leaf, sibling, root);
  refusesChain("X-16", { intermediates: [sibling.certificate] }, leaf, sibling);
  const samenamed = createIntermediate(root, { subject: "Authority 1", pathLength: 0 });
  assert.deepEqual(samenamed.subject, authority.subject);
  const impostor = createLeaf(samenamed);
  assert.throws(() => new X509SvidVerifier(trustOf()).verify(certificatesOf(impostor, samenamed), now), {
    code: "MCA_SVID_UNTRUSTED",
  });
  assert.throws(
    () =>
      new X509SvidVerifier(trustOf({ intermediates: [samenamed.certificate] })).verify(
        certificatesOf(impostor, samenamed),
        now,
      ),
    { code: "MCA_SVID_UNTRUSTED" },
  );
  refusesChain("X-16", { authorities: [] }, createLeaf(authority), authority);
  refusesChain("X-16", {}, createLeaf(root), root);
});

test("X-16: a leaf under a subordinate of a published authority is refused", () => {
  const parent = createIntermediate(root, { subject: "Parent", pathLength: 1 });
  const child = createIntermediate(parent, { subject: "Child" });
  const trust = { authorities: [parent.certificate] };
  refusesChain("X-16", trust, createLeaf(child), child, parent);
  refusesChain("X-16", { ...trust, intermediates: [child.certificate] }, createLeaf(child), child, parent);
});

test("X-16: every published authority is accepted, also the same key in another certificate", () => {
  const verifier = new X509SvidVerifier(trustOf());
  for (const issuer of [authority, nextAuthority]) {
    assert.equal(verifier.verify(certificatesOf(createLeaf(issuer), issuer), now).issuer, issuer.certificate);
  }
  const again = createIntermediate(root, { subject: "Authority 1", key: authority.key });
  const renewed = new X509SvidVerifier(trustOf({ authorities: [again.certificate] }));
  assert.equal(renewed.verify(certificatesOf(createLeaf(authority), authority), now).issuer, again.certificate);
});

test("X-16 is off, and only then, where nothing but anchors is known", () => {
  const verifier = new X509SvidVerifier(trustOf({ authorities: undefined }));
  assert.equal(verifier.verify(certificatesOf(createLeaf(sibling), sibling), now).issuer, sibling.certificate);
  const below = createLeaf(createIntermediate(sibling), {});
  refusesChain("issuer-unknown", { authorities: undefined }, below, sibling);
});

test("X-17: reserved IDs without a use authenticate nobody, though they verify as probes", () => {
  const verifier = new X509SvidVerifier(trustOf());
  const chainOf = (path: string) =>
    certificatesOf(createLeaf(authority, { spiffeId: `spiffe://example.test${path}` }), authority);
  for (const path of [
    "/mesh-ca/probe",
    "/mesh-ca",
    "/mesh-ca/agent",
    "/mesh-ca/agent/a/b",
    "/mesh-ca/server/x",
    "/mesh-ca/admin",
  ]) {
    refusesChain("X-17", {}, createLeaf(authority, { spiffeId: `spiffe://example.test${path}` }));
  }
  for (const path of ["/mesh-ca/server", "/mesh-ca/agent/node-7", "/mesh-car/x"]) {
    assert.equal(verifier.verify(chainOf(path), now).id.path, path);
  }
  assert.equal(verifier.verifyProbe(chainOf("/mesh-ca/probe"), now).id.path, "/mesh-ca/probe");
  assert.throws(() => verifier.verifyProbe(chainOf("/cart"), now), { code: "MCA_PEER_ID_UNEXPECTED" });
  assert.throws(() => verifier.verifyProbe(chainOf("/mesh-ca/server"), now), { code: "MCA_PEER_ID_UNEXPECTED" });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { type AcceptedAuthority, acceptUpstreamAnswer, UpstreamError } from "../../../src/ca/upstream/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { encodeName, oid } from "../../../src/x509/index.ts";
import { createIntermediate, createLeaf, createRoot, freshKey, type TestCertificate } from "../../support/pki.ts";

const trustDomain = TrustDomain.parse("example.test");
const root = createRoot();
const middle = createIntermediate(root);
const authority = createIntermediate(middle);
const now = authority.certificate.notBefore + 1000;

function accept(
  certificate: TestCertificate,
  intermediates: readonly TestCertificate[],
  anchor: TestCertificate,
): AcceptedAuthority {
  return acceptUpstreamAnswer(
    { certificate: certificate.der, intermediates: intermediates.map(({ der }) => der), anchor: anchor.der },
    { spkiSha256: certificate.certificate.publicKey.spkiSha256, trustDomain, now, dnsGrants: [] },
  );
}
const refused = (error: unknown): boolean =>
  error instanceof UpstreamError && error.code === "MCA_UPSTREAM_CERTIFICATE_REFUSED";

test("an enterprise chain without SPIFFE IDs is accepted and put in order", () => {
  const second = createIntermediate(middle);
  const deep = createIntermediate(second);
  for (const given of [
    [middle, second],
    [second, middle],
  ]) {
    const { intermediates, anchor } = accept(deep, given, root);
    assert.deepEqual(
      intermediates.map(({ sha256 }) => sha256),
      [second.certificate.sha256, middle.certificate.sha256],
    );
    assert.equal(anchor.sha256, root.certificate.sha256);
  }
});

test("a chain with a gap, a foreign root, or a leaf in the place of the authority is refused", () => {
  assert.throws(() => accept(authority, [], root), refused);
  assert.throws(() => accept(authority, [middle], createRoot()), refused);
  assert.throws(() => accept(createLeaf(middle), [middle], root), refused);
});

test("a CA certificate that cannot issue our leaves is refused, and the rule is named", () => {
  const bad: readonly (readonly [RegExp, TestCertificate])[] = [
    [/basic-constraints/, createIntermediate(middle, { basicConstraints: "not-critical" })],
    [/basic-constraints/, createIntermediate(middle, { basicConstraints: null })],
    [/no key usage/, createIntermediate(middle, { keyUsage: null })],
    [/key-usage/, createIntermediate(middle, { keyUsage: ["cRLSign"] })],
    [/key-usage/, createIntermediate(middle, { keyUsage: ["keyCertSign"] })],
    [/extended-key-usage/, createIntermediate(middle, { extendedKeyUsage: [oid.serverAuth] })],
    [/extended-key-usage/, createIntermediate(middle, { extendedKeyUsage: [oid.anyExtendedKeyUsage] })],
    [/subject-key-identifier/, createIntermediate(middle, { subjectKeyId: null })],
    [/empty subject/, createIntermediate(middle, { subject: encodeName({}) })],
    [/spiffe-id|path/, createIntermediate(middle, { spiffeId: "spiffe://example.test/ca" })],
    [/spiffe-id|trust domain/, createIntermediate(middle, { spiffeId: "spiffe://other.test" })],
    [/strength|1024/, createIntermediate(middle, { key: freshKey("rsa-1024") })],
  ];
  for (const [rule, certificate] of bad) {
    assert.throws(
      () => accept(certificate, [middle], root),
      (error) => refused(error) && error instanceof Error && rule.test(error.message),
      String(rule),
    );
  }
});

test("a weak key or a spent path length anywhere above is refused", () => {
  const weak = createIntermediate(root, { key: freshKey("rsa-1024") });
  assert.throws(() => accept(createIntermediate(weak), [weak], root), refused);
  const full = createIntermediate(root, { pathLength: 0 });
  assert.throws(() => accept(createIntermediate(full), [full], root), refused);
  const strong = createRoot({ key: freshKey("rsa-2048") });
  const under = createIntermediate(strong);
  assert.equal(accept(under, [], strong).intermediates.length, 0);
});

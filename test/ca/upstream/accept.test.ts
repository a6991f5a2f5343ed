import assert from "node:assert/strict";
import { test } from "node:test";
import { type AcceptedAuthority, acceptUpstreamAnswer, UpstreamError } from "../../../src/ca/upstream/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { createIntermediate, createLeaf, createRoot, type TestCertificate } from "../../support/pki.ts";

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
    { spkiSha256: certificate.certificate.publicKey.spkiSha256, trustDomain, now },
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

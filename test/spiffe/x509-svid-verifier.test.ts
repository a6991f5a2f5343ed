// The verifier beside the conformance rules: time, distrust, revocation, whom a caller expects, and that it never says less than
// the general path validator.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  expectPeer,
  expectServer,
  type Revocation,
  SpiffeId,
  type VerifiedX509Svid,
  X509SvidVerifier,
} from "../../src/spiffe/index.ts";
import { VerifiedX509Svid as Verified } from "../../src/spiffe/x509-svid-verifier.ts";
import { oid, validatePath } from "../../src/x509/index.ts";
import { type CertificateOptions, createIntermediate, createLeaf, createRoot, testKey } from "../support/pki.ts";
import { authority, certificatesOf, nextAuthority, root, sibling, trustOf } from "./support.ts";

const now = Math.floor(Date.now() / 1000) * 1000;
const HOUR = 3_600_000;
const leaf = createLeaf(authority, {
  spiffeId: "spiffe://example.test/cart",
  notBefore: now - HOUR,
  notAfter: now + HOUR,
});
const chain = certificatesOf(leaf, authority);

function verify(overrides: Parameters<typeof trustOf>[0] = {}, time = now): VerifiedX509Svid {
  return new X509SvidVerifier(trustOf(overrides)).verify(chain, time);
}

test("validity is judged at the given time and includes its two ends", () => {
  const verifier = new X509SvidVerifier(trustOf());
  assert.ok(verifier.verify(chain, now - HOUR));
  assert.ok(verifier.verify(chain, now + HOUR));
  assert.throws(() => verifier.verify(chain, now - HOUR - 1), { code: "MCA_SVID_NOT_YET_VALID" });
  assert.throws(() => verifier.verify(chain, now + HOUR + 1), { code: "MCA_SVID_EXPIRED" });
  assert.throws(() => verifier.verify(chain, Number.NaN), TypeError);
});

test("an authority or a root that has expired ends the trust in its leaves, also after they were verified once", () => {
  const shortRoot = createRoot({ subject: "Short", notAfter: now + 3 * HOUR });
  const short = createIntermediate(shortRoot, { notAfter: now + 2 * HOUR });
  const long = createLeaf(short, { notAfter: now + 10 * HOUR });
  const verifier = new X509SvidVerifier(
    trustOf({ anchors: [shortRoot.certificate], authorities: [short.certificate] }),
  );
  assert.ok(verifier.verify([long.certificate], now));
  for (const time of [now + 2 * HOUR + 1_000, now + 4 * HOUR]) {
    assert.throws(() => verifier.verify([long.certificate], time), { code: "MCA_SVID_UNTRUSTED" });
  }
});

test("a distrusted key refuses a path wherever it stands in it", () => {
  for (const { certificate } of [leaf, authority, root]) {
    assert.throws(() => verify({ distrustedSpkis: new Set([certificate.publicKey.spkiSha256]) }), {
      code: "MCA_SVID_UNTRUSTED",
    });
  }
  assert.ok(verify({ distrustedSpkis: new Set([nextAuthority.certificate.publicKey.spkiSha256]) }));
});

test("a certificate revoked by serial, by key or by ID is refused, and others are not", () => {
  const refused: Revocation[] = [
    { kind: "serial", serial: leaf.certificate.serialHex },
    { kind: "serial", serial: authority.certificate.serialHex },
    { kind: "spki", spkiSha256: leaf.certificate.publicKey.spkiSha256 },
    { kind: "spki", spkiSha256: authority.certificate.publicKey.spkiSha256 },
    { kind: "id", spiffeId: "spiffe://example.test/cart", issuedBefore: now - HOUR + 1 },
    { kind: "id", spiffeId: "spiffe://example.test/cart", issuedBefore: now + HOUR },
  ];
  for (const revocation of refused) {
    assert.throws(() => verify({ revocations: [revocation] }), { code: "MCA_SVID_REVOKED" }, revocation.kind);
  }
  const kept: Revocation[] = [
    { kind: "serial", serial: "00" },
    { kind: "spki", spkiSha256: "0".repeat(64) },
    { kind: "id", spiffeId: "spiffe://example.test/cart", issuedBefore: now - HOUR },
    { kind: "id", spiffeId: "spiffe://example.test/cart/x", issuedBefore: now + HOUR },
    { kind: "id", spiffeId: "spiffe://example.test/car", issuedBefore: now + HOUR },
  ];
  assert.ok(verify({ revocations: kept }));
  const laterFirst: Revocation[] = [now + HOUR, now - 5 * HOUR].map((issuedBefore) => ({
    kind: "id",
    spiffeId: "spiffe://example.test/cart",
    issuedBefore,
  }));
  assert.throws(() => verify({ revocations: laterFirst }), { code: "MCA_SVID_REVOKED" });
});

test("a caller can ask whether the peer is exactly whom it expects, and exactly the server", () => {
  const cart = verify();
  assert.doesNotThrow(() => expectPeer(cart, SpiffeId.parse("spiffe://example.test/cart")));
  for (const other of [
    "spiffe://example.test/car",
    "spiffe://example.test/Cart",
    "spiffe://example.test/cart/x",
    "spiffe://other.test/cart",
  ]) {
    assert.throws(() => expectPeer(cart, SpiffeId.parse(other)), { code: "MCA_PEER_ID_UNEXPECTED" });
  }
  assert.throws(() => expectServer(cart), { code: "MCA_PEER_ID_UNEXPECTED" });
  const verifier = new X509SvidVerifier(trustOf());
  const server = createLeaf(authority, { spiffeId: "spiffe://example.test/mesh-ca/server" });
  assert.doesNotThrow(() => expectServer(verifier.verify(certificatesOf(server), now)));
  const agent = createLeaf(authority, { spiffeId: "spiffe://example.test/mesh-ca/agent/server" });
  assert.throws(() => expectServer(verifier.verify(certificatesOf(agent), now)), { code: "MCA_PEER_ID_UNEXPECTED" });
});

test("only a verifier makes a verified SVID", () => {
  assert.equal(Verified.is(verify()), true);
  assert.equal(Verified.is({ ...verify() }), false);
  assert.equal(Verified.is(undefined), false);
});

test("what is presented beside the leaf neither helps nor harms where authorities are published", () => {
  const verifier = new X509SvidVerifier(trustOf());
  for (const rest of [[], [authority], [root], [sibling, root], [authority, authority], [root, sibling, authority]]) {
    assert.equal(verifier.verify(certificatesOf(leaf, ...rest), now).issuer, authority.certificate);
  }
});

test("enterprise chains are accepted: intermediates above the authority come from trust, keys of other kinds", () => {
  const rsaRoot = createRoot({ subject: "RSA Root", key: testKey("rsa-2048", "verifier") });
  const policyCa = createIntermediate(rsaRoot, { subject: "Policy CA", pathLength: 1 });
  const issuing = createIntermediate(policyCa, { subject: "Issuing CA", pathLength: 0 });
  const trust = { anchors: [rsaRoot.certificate], authorities: [issuing.certificate] };
  const ours = certificatesOf(createLeaf(issuing), issuing, policyCa);
  const verifier = new X509SvidVerifier(trustOf({ ...trust, intermediates: [policyCa.certificate] }));
  assert.equal(verifier.verify(ours, now).path.length, 4);
  // Presented intermediates are not believed where trust does not hold them.
  assert.throws(() => new X509SvidVerifier(trustOf(trust)).verify(ours, now), { code: "MCA_SVID_UNTRUSTED" });
  assert.equal(new X509SvidVerifier(trustOf({ ...trust, authorities: undefined })).verify(ours, now).path.length, 4);
});

test("no leaf passes here that the general path validator refuses", () => {
  const verifiers = {
    published: new X509SvidVerifier(trustOf()),
    anchorsOnly: new X509SvidVerifier(trustOf({ authorities: undefined })),
  };
  const issuers = [authority, nextAuthority, sibling, root];
  const fields = {
    notBefore: fc.constantFrom(now - HOUR, now + HOUR),
    notAfter: fc.constantFrom(now + HOUR, now - HOUR / 2),
    key: fc.constantFrom(testKey(), testKey("rsa-1024"), testKey("ed25519"), testKey("rsa-2048")),
    extendedKeyUsage: fc.constantFrom([oid.serverAuth, oid.clientAuth], [oid.serverAuth], null),
    signatureAlgorithm: fc.constantFrom("ecdsa-sha256" as const, "ecdsa-sha384" as const),
    signWith: fc.constantFrom(...issuers.map(({ key }) => key)),
    issuerName: fc.constantFrom(...issuers.map(({ subject }) => subject)),
    basicConstraints: fc.constantFrom("default" as const, null),
  };
  // Half of them differ in one field, or hardly one certificate would have everything right.
  const one = Object.entries(fields).map(([name, values]) => values.map((value) => ({ [name]: value })));
  const options: fc.Arbitrary<CertificateOptions> = fc.oneof(...one, {
    weight: one.length,
    arbitrary: fc.record(fields, { requiredKeys: [] }),
  });
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...issuers),
      options,
      fc.constantFrom("published" as const, "anchorsOnly" as const),
      (issuer, made, kind) => {
        const candidate = certificatesOf(createLeaf(issuer, made), ...issuers);
        try {
          verifiers[kind].verify(candidate, now);
        } catch {
          return;
        }
        accepted += 1;
        validatePath({
          chain: candidate,
          anchors: [root.certificate],
          time: now,
          target: "end-entity",
          purposes: ["serverAuth", "clientAuth"],
        });
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(accepted > 10, `${accepted} were accepted`);
});

test("nothing but a verifier's result passes for one: not null, not a look-alike", () => {
  for (const value of [null, undefined, 7, {}, { id: "spiffe://example.test/cart" }]) {
    assert.equal(Verified.is(value), false);
  }
});

test("X-11: a leaf that is itself an anchor is not trusted for that", () => {
  const leaf = createLeaf(authority, { spiffeId: "spiffe://example.test/cart" });
  const verifier = new X509SvidVerifier(trustOf({ anchors: [leaf.certificate], authorities: undefined }));
  assert.throws(() => verifier.verify([leaf.certificate], Date.now()), { code: "MCA_SVID_UNTRUSTED" });
});

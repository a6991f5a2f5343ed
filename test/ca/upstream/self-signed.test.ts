import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import "reflect-metadata";
import * as peculiar from "@peculiar/x509";
import { PrivateKeyHandle } from "../../../src/ca/keys/private-key-handle.ts";
import { acceptUpstreamAnswer, selfSignedUpstream, UpstreamError } from "../../../src/ca/upstream/index.ts";
import { systemRandom } from "../../../src/runtime/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { nameToString, parseCertificate, parseSubjectPublicKeyInfo } from "../../../src/x509/index.ts";
import { makeAuthority, makeKey, NOW, TRUST_DOMAIN } from "../issuance/materials.ts";

for (const algorithm of ["ec-p256", "ec-p384", "ed25519", "rsa-2048"] as const) {
  test(`a self-signed authority of ${algorithm} is accepted by us, OpenSSL and @peculiar/x509`, async () => {
    const { certificate, signer } = await makeAuthority(algorithm);
    const { der } = certificate;
    const terms = { spkiSha256: signer.spkiSha256, trustDomain: TRUST_DOMAIN, now: NOW, dnsGrants: [] };
    acceptUpstreamAnswer({ certificate: der, intermediates: [], anchor: der }, terms);
    const openSsl = new X509Certificate(der);
    assert.ok(openSsl.ca);
    assert.ok(openSsl.verify(openSsl.publicKey));
    assert.ok(openSsl.checkIssued(openSsl));
    const foreign = new peculiar.X509Certificate(Uint8Array.from(der));
    const constraints = foreign.getExtension(peculiar.BasicConstraintsExtension);
    assert.deepEqual([constraints?.ca, constraints?.critical, constraints?.pathLength], [true, true, 0]);
    const usages = foreign.getExtension(peculiar.KeyUsagesExtension);
    assert.equal(usages?.usages, peculiar.KeyUsageFlags.keyCertSign | peculiar.KeyUsageFlags.cRLSign);
    assert.equal(usages?.critical, true);
  });
}

test("its lifetime begins a clock skew ago and lasts as configured", async () => {
  const { certificate } = await makeAuthority("ec-p256", { lifetimeSeconds: 7200 });
  assert.equal(certificate.notBefore, NOW - 60_000);
  assert.equal(certificate.notAfter, NOW + 7_200_000);
});

test("a trust domain of any length gets a subject that X.520 allows", async () => {
  const signer = new PrivateKeyHandle(makeKey("ec-p256"));
  const trustDomain = TrustDomain.parse(`${"a".repeat(200)}.test`);
  const answer = await selfSignedUpstream.certify({
    trustDomain,
    replica: 7,
    publicKey: parseSubjectPublicKeyInfo(signer.spki),
    algorithm: signer.algorithm,
    now: NOW,
    lifetimeSeconds: 604_800,
    clockSkewSeconds: 60,
    random: systemRandom,
    recordThenSign: ({ bytes }) => signer.sign(bytes),
    record: async () => {},
  });
  const certificate = parseCertificate(answer.certificate);
  for (const [, value = ""] of nameToString(certificate.subject).matchAll(/(?:CN|O)=([^,]*)/g)) {
    assert.ok(value.length <= 64, value);
  }
  assert.equal(certificate.serial[0], 7);
  assert.deepEqual(certificate.subjectAltName?.names, [{ kind: "uri", value: trustDomain.id }]);
});

test("an upstream gets nothing of the key but signatures of what was recorded", async () => {
  const recorded: Uint8Array[] = [];
  const signer = new PrivateKeyHandle(makeKey("ec-p256"));
  await selfSignedUpstream.certify({
    trustDomain: TRUST_DOMAIN,
    replica: 1,
    publicKey: parseSubjectPublicKeyInfo(signer.spki),
    algorithm: signer.algorithm,
    now: NOW,
    lifetimeSeconds: 604_800,
    clockSkewSeconds: 60,
    random: systemRandom,
    recordThenSign: async ({ kind, bytes }) => {
      assert.equal(kind, "certificate");
      recorded.push(bytes);
      return signer.sign(bytes);
    },
    record: async () => {},
  });
  assert.equal(recorded.length, 1);
});

test("an answer for another key, another trust domain, another time, or no CA at all is refused", async () => {
  const { certificate, signer } = await makeAuthority();
  const { der } = certificate;
  const answer = { certificate: der, intermediates: [], anchor: der };
  const terms = { spkiSha256: signer.spkiSha256, trustDomain: TRUST_DOMAIN, now: NOW, dnsGrants: [] };
  const refused = (what: RegExp) => (error: unknown) =>
    error instanceof UpstreamError && error.code === "MCA_UPSTREAM_CERTIFICATE_REFUSED" && what.test(error.message);
  const accept = (change: object, of: object = {}) =>
    acceptUpstreamAnswer({ ...answer, ...of }, { ...terms, ...change });
  accept({});
  assert.throws(() => accept({ spkiSha256: "00".repeat(32) }), refused(/\(key\)/));
  assert.throws(() => accept({ trustDomain: TrustDomain.parse("other.test") }), refused(/X-10|SPIFFE ID/));
  assert.throws(() => accept({ now: certificate.notAfter + 1 }), refused(/expired/));
  assert.throws(() => accept({ now: certificate.notBefore - 1 }), refused(/not-yet-valid/));
  assert.throws(() => accept({}, { intermediates: [der] }), refused(/intermediates/));
  const forged = Uint8Array.from(der);
  forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
  assert.throws(() => accept({}, { certificate: forged, anchor: forged }), refused(/./));
  assert.throws(() => accept({}, { certificate: der.subarray(1) }), refused(/./));
});

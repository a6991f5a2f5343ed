// The certificate reader and writer beside @peculiar/x509 and OpenSSL (node:crypto): the same certificates, the same answers.
import "reflect-metadata";
import assert from "node:assert/strict";
import { type webcrypto, X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import * as peculiar from "@peculiar/x509";
import fc from "fast-check";
import {
  algorithmIdentifier,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  type Certificate,
  encodeCertificate,
  encodeExtension,
  encodeName,
  encodeTbsCertificate,
  extendedKeyUsageExtension,
  type GeneralName,
  type KnownSignatureAlgorithm,
  keyUsageExtension,
  nameToString,
  oid,
  parseCertificate,
  publicKeyOf,
  signatureAlgorithmOfTbs,
  signBytes,
  subjectAltNameExtension,
  subjectKeyIdExtension,
  toHex,
  verifySignature,
} from "../../src/x509/index.ts";
import { createCertificate, createIntermediate, createLeaf, createRoot, testKey } from "../support/pki.ts";

peculiar.cryptoProvider.set(globalThis.crypto);

/** Writes a certificate again from what the reader says, but for the signature. */
function rewrite(certificate: Certificate): Uint8Array {
  const { signatureAlgorithm } = certificate;
  assert.notEqual(signatureAlgorithm.name, "other");
  const tbs = encodeTbsCertificate({
    serial: certificate.serial,
    signatureAlgorithm: signatureAlgorithm.name as KnownSignatureAlgorithm,
    issuer: certificate.issuer,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    subject: certificate.subject,
    spki: certificate.publicKey.spki,
    extensions: certificate.extensions.map((e) => encodeExtension(e.oid, e.critical, e.value)),
  });
  return encodeCertificate(tbs, signatureAlgorithmOfTbs(tbs), certificate.signature);
}

/** Compares what the reader says with what OpenSSL says. */
function assertLikeOpenSsl(certificate: Certificate): void {
  const other = new X509Certificate(certificate.der);
  assert.equal(BigInt(`0x${certificate.serialHex}`), BigInt(`0x${other.serialNumber}`));
  assert.equal(certificate.notBefore, Date.parse(other.validFrom));
  assert.equal(certificate.notAfter, Date.parse(other.validTo));
  assert.equal(certificate.sha256, other.fingerprint256.replaceAll(":", "").toLowerCase());
  assert.equal(certificate.basicConstraints?.ca ?? false, other.ca);
  assert.deepEqual(certificate.publicKey.spki, new Uint8Array(other.publicKey.export({ format: "der", type: "spki" })));
  const purposes = certificate.extendedKeyUsage?.purposes;
  assert.deepEqual(purposes, other.keyUsage);
}

describe("certificates that @peculiar/x509 made", () => {
  const algorithms: Record<
    string,
    [webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams | webcrypto.Algorithm, object]
  > = {
    "P-256": [
      { name: "ECDSA", namedCurve: "P-256" },
      { name: "ECDSA", hash: "SHA-256" },
    ],
    "P-384": [
      { name: "ECDSA", namedCurve: "P-384" },
      { name: "ECDSA", hash: "SHA-384" },
    ],
    "P-521": [
      { name: "ECDSA", namedCurve: "P-521" },
      { name: "ECDSA", hash: "SHA-512" },
    ],
    "RSA-2048": [
      { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" },
      { name: "RSASSA-PKCS1-v1_5" },
    ],
    "RSA-PSS-2048": [
      { name: "RSA-PSS", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-384" },
      { name: "RSA-PSS", saltLength: 48 },
    ],
    Ed25519: [{ name: "Ed25519" }, { name: "Ed25519" }],
  };
  for (const [name, [keyAlgorithm, signingAlgorithm]] of Object.entries(algorithms)) {
    it(`reads one of ${name} as they meant it, verifies it, and writes the same octets again`, async () => {
      const keys = (await crypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"])) as webcrypto.CryptoKeyPair;
      const theirs = await peculiar.X509CertificateGenerator.createSelfSigned({
        serialNumber: "0123456789abcdef",
        name: "O=Example\\, Inc, CN=Ünïcode 中",
        notBefore: new Date("2026-01-02T03:04:05Z"),
        notAfter: new Date("2051-06-07T08:09:10Z"),
        signingAlgorithm: signingAlgorithm as webcrypto.EcdsaParams,
        keys,
        extensions: [
          new peculiar.BasicConstraintsExtension(true, 3, true),
          new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.keyCertSign | peculiar.KeyUsageFlags.cRLSign, true),
          new peculiar.ExtendedKeyUsageExtension([oid.serverAuth, oid.clientAuth], false),
          new peculiar.SubjectAlternativeNameExtension([
            { type: "dns", value: "a.example.test" },
            { type: "url", value: "spiffe://example.test/a" },
            { type: "email", value: "a@example.test" },
            { type: "ip", value: "192.0.2.1" },
            { type: "ip", value: "2001:db8::1" },
          ]),
          await peculiar.SubjectKeyIdentifierExtension.create(keys.publicKey),
          await peculiar.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      const der = new Uint8Array(theirs.rawData);
      const ours = parseCertificate(der);
      assertLikeOpenSsl(ours);
      assert.equal(ours.serialHex, "0123456789abcdef");
      assert.equal(nameToString(ours.subject), "CN=Ünïcode 中,O=Example\\, Inc");
      assert.deepEqual(ours.basicConstraints, { critical: true, ca: true, pathLength: 3 });
      assert.deepEqual([...(ours.keyUsage?.usages ?? [])], ["keyCertSign", "cRLSign"]);
      assert.equal(ours.keyUsage?.critical, true);
      assert.deepEqual(ours.extendedKeyUsage, { critical: false, purposes: [oid.serverAuth, oid.clientAuth] });
      assert.deepEqual(
        ours.subjectAltName?.names.map((entry) =>
          entry.kind === "ip" ? [...entry.bytes] : "value" in entry && entry.value,
        ),
        [
          "a.example.test",
          "spiffe://example.test/a",
          "a@example.test",
          [192, 0, 2, 1],
          [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ],
      );
      assert.deepEqual(ours.subjectKeyId, ours.authorityKeyId);
      assert.equal(ours.unknownCritical.length, 0);
      verifySignature(ours.publicKey, ours.signatureAlgorithm, ours.tbs, ours.signature);
      // RSASSA-PSS parameters have two encodings; ours is the other one.
      if (name !== "RSA-PSS-2048") assert.deepEqual(rewrite(ours), der);
    });
  }
});

describe("certificates that we write", () => {
  const names = fc.array(
    fc.oneof(
      fc.webUrl().map((value) => ({ kind: "uri" as const, value })),
      fc.domain().map((value) => ({ kind: "dns" as const, value })),
      fc.emailAddress().map((value) => ({ kind: "email" as const, value })),
      fc
        .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
        .map((bytes) => ({ kind: "ip" as const, bytes })),
    ),
    { minLength: 1, maxLength: 6 },
  );
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });

  it("are read by OpenSSL and by @peculiar/x509 as they were meant, and written again octet for octet", () => {
    const key = testKey("ec-p256");
    const publicKey = publicKeyOf(key);
    const root = createRoot();
    fc.assert(
      fc.property(
        names,
        text,
        text,
        fc.uint8Array({ minLength: 1, maxLength: 19 }),
        fc.boolean(),
        fc.date({ min: new Date("1960-01-01"), max: new Date("2200-01-01"), noInvalidDate: true }),
        (sans, organization, commonName, serial, critical, date) => {
          if (serial.every((octet) => octet === 0)) serial[0] = 1;
          const tbs = encodeTbsCertificate({
            serial,
            signatureAlgorithm: "ecdsa-sha256",
            issuer: root.subject,
            notBefore: date.getTime(),
            notAfter: date.getTime() + 3_600_000,
            subject: encodeName({ organization, commonName }),
            spki: publicKey.spki,
            extensions: [
              subjectAltNameExtension(sans as GeneralName[], critical),
              keyUsageExtension(["digitalSignature", "decipherOnly"]),
              extendedKeyUsageExtension([oid.clientAuth]),
              basicConstraintsExtension({ ca: false }),
              subjectKeyIdExtension(Uint8Array.of(1, 2, 3)),
              authorityKeyIdExtension(Uint8Array.of(4, 5, 6)),
            ],
          });
          const der = encodeCertificate(
            tbs,
            algorithmIdentifier("ecdsa-sha256"),
            signBytes(root.key, "ecdsa-sha256", tbs),
          );
          const ours = parseCertificate(der);
          assertLikeOpenSsl(ours);
          assert.equal(new X509Certificate(der).verify(new X509Certificate(root.der).publicKey), true);
          assert.deepEqual(ours.tbs, tbs);
          assert.deepEqual(ours.subjectAltName, { critical, names: sans });
          assert.deepEqual(ours.subjectKeyId, Uint8Array.of(1, 2, 3));
          assert.deepEqual(ours.authorityKeyId, Uint8Array.of(4, 5, 6));
          assert.deepEqual(rewrite(ours), der);
          const theirs = new peculiar.X509Certificate(new Uint8Array(der));
          assert.equal(theirs.serialNumber.replace(/^(00)+(?=..)/, ""), ours.serialHex);
          assert.equal(theirs.notBefore.getTime(), ours.notBefore);
          assert.deepEqual(theirs.subjectName.getField("CN"), [commonName]);
          assert.deepEqual(theirs.subjectName.getField("O"), [organization]);
          const usage = theirs.getExtension(peculiar.KeyUsagesExtension);
          assert.equal(usage?.usages, peculiar.KeyUsageFlags.digitalSignature | peculiar.KeyUsageFlags.decipherOnly);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("cannot have a path length without being a CA", () => {
    assert.throws(() => basicConstraintsExtension({ ca: false, pathLength: 0 }), TypeError);
  });

  it("a 17-octet serial number keeps its octets, with the high bit set too", () => {
    const serial = Uint8Array.from({ length: 17 }, (_, i) => 0xff - i);
    const leaf = createLeaf(createRoot(), { serial });
    assert.deepEqual(leaf.certificate.serial, serial);
    assert.equal(leaf.certificate.serialHex, toHex(serial));
    assertLikeOpenSsl(leaf.certificate);
  });
});

describe("what the certificate reader returns", () => {
  it("does not change when the caller writes to the buffer that it gave", () => {
    const input = Buffer.from(createRoot().der);
    const certificate = parseCertificate(input);
    const { sha256 } = certificate;
    const subject = nameToString(certificate.subject);
    input.fill(0);
    assert.equal(nameToString(certificate.subject), subject);
    assert.equal(parseCertificate(certificate.der).sha256, sha256);
    assert.equal(certificate.der instanceof Buffer, false);
  });

  it("names critical extensions that nobody processes, and reads past others", () => {
    const unknown = (critical: boolean): Uint8Array => encodeExtension("1.2.3.4", critical, Uint8Array.of(5, 0));
    const root = createRoot();
    assert.deepEqual(createLeaf(root, { extraExtensions: [unknown(true)] }).certificate.unknownCritical, ["1.2.3.4"]);
    const harmless = createLeaf(root, { extraExtensions: [unknown(false)] }).certificate;
    assert.deepEqual(harmless.unknownCritical, []);
    assert.equal(harmless.extensions.at(-1)?.oid, "1.2.3.4");
  });

  it("counts critical key identifiers as unknown: RFC 5280 forbids them, OpenSSL refuses them", () => {
    const root = createRoot();
    const critical = (id: string, der: Uint8Array): Uint8Array => encodeExtension(id, true, der);
    const ski = createLeaf(root, {
      subjectKeyId: null,
      extraExtensions: [critical(oid.subjectKeyId, Uint8Array.of(4, 1, 7))],
    });
    assert.deepEqual(ski.certificate.unknownCritical, [oid.subjectKeyId]);
    const aki = createLeaf(root, {
      authorityKeyId: null,
      extraExtensions: [critical(oid.authorityKeyId, Uint8Array.of(0x30, 3, 0x80, 1, 7))],
    });
    assert.deepEqual(aki.certificate.unknownCritical, [oid.authorityKeyId]);
  });

  it("counts a critical list of alternative names as unknown where it understands none of them", () => {
    const root = createRoot();
    const registered = { kind: "other" as const, tag: 8, der: Uint8Array.of(0x88, 1, 42) };
    const uri = { kind: "uri" as const, value: "spiffe://example.test/a" };
    assert.deepEqual(createLeaf(root, { names: [registered] }).certificate.unknownCritical, [oid.subjectAltName]);
    assert.deepEqual(createLeaf(root, { names: [registered], namesCritical: false }).certificate.unknownCritical, []);
    assert.deepEqual(createLeaf(root, { names: [registered, uri] }).certificate.unknownCritical, []);
  });

  it("reads a certificate without extensions, and one with a key of an unknown kind", () => {
    const bare = createCertificate(undefined, {
      subject: "bare",
      basicConstraints: null,
      subjectKeyId: null,
      authorityKeyId: null,
    });
    assert.deepEqual(bare.certificate.extensions, []);
    assert.equal(bare.certificate.basicConstraints, undefined);
    const odd = createIntermediate(createRoot(), { key: testKey("ec-secp256k1") }).certificate;
    assert.deepEqual(odd.publicKey.algorithm, { kind: "ec", curve: "1.3.132.0.10" });
  });

  it("signatureAlgorithmOfTbs gives back the algorithm of the recorded bytes", () => {
    for (const kind of ["ec-p256", "ec-p384", "rsa-2048", "ed25519"] as const) {
      const { certificate } = createRoot({ key: testKey(kind) });
      assert.deepEqual(signatureAlgorithmOfTbs(certificate.tbs), certificate.signatureAlgorithm.der);
    }
    assert.throws(() => signatureAlgorithmOfTbs(Uint8Array.of(0x30, 0)), { code: "MCA_CERTIFICATE_MALFORMED" });
  });
});

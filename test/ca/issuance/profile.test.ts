import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate as OpenSslCertificate, webcrypto } from "node:crypto";
import { test } from "node:test";
import "reflect-metadata";
import * as peculiar from "@peculiar/x509";
import fc from "fast-check";
import { readWithOpenSsl, readWithPeculiar } from "../../../src/ca/issuance/cert-checker/readers.ts";
import {
  algorithmIdentifier,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  encodeCertificate,
  encodeTbsCertificate,
  extendedKeyUsageExtension,
  keyIdentifier,
  keyUsageExtension,
  oid,
  parseCertificate,
  publicKeyOf,
  subjectAltNameExtension,
  subjectKeyIdExtension,
} from "../../../src/x509/index.ts";
import { makeAuthority, makeKey, makeLeaf, type TestAuthority } from "./materials.ts";

const AUTHORITIES = await Promise.all(
  (["ec-p256", "ec-p384", "ed25519", "rsa-2048"] as const).map((each) => makeAuthority(each)),
);
const KEYS = (["ec-p256", "ec-p384", "ed25519", "rsa-2048", "rsa-4096"] as const).map((each) =>
  publicKeyOf(makeKey(each)),
);
const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,30}$/);
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const wish = fc.record({
  authority: fc.constantFrom(...AUTHORITIES),
  publicKey: fc.constantFrom(...KEYS),
  spiffeId: fc.array(segment, { minLength: 1, maxLength: 20 }).map((path) => `spiffe://example.test/${path.join("/")}`),
  dnsNames: fc.array(
    fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join(".")),
    { maxLength: 12 },
  ),
  ttlSeconds: fc.integer({ min: 1, max: 86_400 }),
});

async function sign(authority: TestAuthority, tbs: Uint8Array): Promise<Uint8Array> {
  const { algorithm } = authority.signer;
  return encodeCertificate(tbs, algorithmIdentifier(algorithm), await authority.signer.sign(tbs));
}

test("the template writes, octet for octet, what the general writer writes field by field", () => {
  fc.assert(
    fc.property(wish, ({ authority, ...options }) => {
      const { tbs, intent } = makeLeaf(authority, options);
      const { subjectKeyId } = authority.certificate;
      assert.ok(subjectKeyId);
      const expected = encodeTbsCertificate({
        serial: intent.serial,
        signatureAlgorithm: authority.signer.algorithm,
        issuer: authority.certificate.subject,
        notBefore: intent.notBefore,
        notAfter: intent.notAfter,
        subject: Uint8Array.of(0x30, 0x00),
        spki: options.publicKey.spki,
        extensions: [
          subjectAltNameExtension(
            [
              { kind: "uri", value: options.spiffeId },
              ...options.dnsNames.map((value) => ({ kind: "dns" as const, value })),
            ],
            true,
          ),
          keyUsageExtension(["digitalSignature"]),
          extendedKeyUsageExtension([oid.serverAuth, oid.clientAuth]),
          basicConstraintsExtension({ ca: false }),
          subjectKeyIdExtension(keyIdentifier(options.publicKey)),
          authorityKeyIdExtension(subjectKeyId),
        ],
      });
      assert.deepEqual(Buffer.from(tbs), Buffer.from(expected));
    }),
    { numRuns: 300 },
  );
});

test("@peculiar/x509's generator, told the same, writes the same octets", async () => {
  const [authority] = AUTHORITIES;
  assert.ok(authority?.certificate.subjectKeyId);
  const { publicKey: ownPublic, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ec = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const spki = ownPublic.export({ type: "spki", format: "der" });
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const publicCryptoKey = await webcrypto.subtle.importKey("spki", spki, ec, true, ["verify"]);
  const signingKey = await webcrypto.subtle.importKey("pkcs8", pkcs8, ec, false, ["sign"]);
  const publicKey = publicKeyOf(privateKey);
  const spiffeId = "spiffe://example.test/ns/shop/sa/cart";
  const dnsNames = ["cart.shop.example.test", "cart"];
  const { tbs, intent } = makeLeaf(authority, { publicKey, spiffeId, dnsNames });
  const made = await peculiar.X509CertificateGenerator.create({
    serialNumber: Buffer.from(intent.serial).toString("hex"),
    subject: new peculiar.Name([]),
    issuer: new peculiar.Name(authority.certificate.subject),
    notBefore: new Date(intent.notBefore),
    notAfter: new Date(intent.notAfter),
    publicKey: publicCryptoKey,
    signingKey,
    signingAlgorithm: ec,
    extensions: [
      new peculiar.SubjectAlternativeNameExtension(
        [{ type: "url", value: spiffeId }, ...dnsNames.map((value) => ({ type: "dns" as const, value }))],
        true,
      ),
      new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.digitalSignature, true),
      new peculiar.ExtendedKeyUsageExtension([oid.serverAuth, oid.clientAuth], false),
      new peculiar.BasicConstraintsExtension(false, undefined, true),
      new peculiar.SubjectKeyIdentifierExtension(Buffer.from(keyIdentifier(publicKey)).toString("hex"), false),
      new peculiar.AuthorityKeyIdentifierExtension(
        Buffer.from(authority.certificate.subjectKeyId).toString("hex"),
        false,
      ),
    ],
  });
  assert.deepEqual(Buffer.from(parseCertificate(new Uint8Array(made.rawData)).tbs), Buffer.from(tbs));
});

test("OpenSSL, @peculiar/x509 and our reader read the same certificate, and it is the intended one", async () => {
  await fc.assert(
    fc.asyncProperty(wish, async ({ authority, ...options }) => {
      const { tbs, intent } = makeLeaf(authority, options);
      const der = await sign(authority, tbs);
      const serial = Buffer.from(intent.serial).toString("hex");
      const spki = Buffer.from(options.publicKey.spki).toString("hex");
      for (const seen of [readWithOpenSsl(der, authority.certificate.der), readWithPeculiar(der)]) {
        assert.equal(seen.serial, serial.replace(/^(?:00)+/, ""));
        assert.equal(seen.notBefore, intent.notBefore);
        assert.equal(seen.notAfter, intent.notAfter);
        assert.deepEqual(seen.uris, [options.spiffeId]);
        assert.deepEqual(seen.dnsNames, options.dnsNames);
        assert.equal(seen.spki, spki);
        assert.equal(seen.isCa, false);
      }
      assert.deepEqual(Buffer.from(new OpenSslCertificate(der).raw), Buffer.from(der));
      const own = parseCertificate(der);
      assert.deepEqual(Buffer.from(own.tbs), Buffer.from(tbs));
      assert.equal(own.serialHex, serial);
      assert.deepEqual(
        own.subjectAltName?.names.map((name) => ("value" in name ? name.value : name.kind)),
        [options.spiffeId, ...options.dnsNames],
      );
    }),
    { numRuns: 60 },
  );
});

test("a name that is not ASCII never reaches a certificate", async () => {
  const [authority] = AUTHORITIES;
  assert.ok(authority);
  assert.throws(() => makeLeaf(authority, { spiffeId: "spiffe://example.test/ä" }), TypeError);
});

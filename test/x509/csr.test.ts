// Certification requests: ours and those of others, good and bad.
import "reflect-metadata";
import assert from "node:assert/strict";
import type { webcrypto } from "node:crypto";
import { describe, it } from "node:test";
import * as peculiar from "@peculiar/x509";
import {
  algorithmIdentifier,
  createCsr,
  derBitString,
  derBoolean,
  derContext,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derSmallInteger,
  encodeExtension,
  encodeName,
  type KnownSignatureAlgorithm,
  keyUsageExtension,
  nameToString,
  oid,
  parseCsr,
  publicKeyOf,
  signBytes,
  subjectAltNameExtension,
  verifyCsrSignature,
} from "../../src/x509/index.ts";
import { freshKey, type TestKeyKind, testKey } from "../support/pki.ts";

peculiar.cryptoProvider.set(globalThis.crypto);
const malformed = { name: "X509Error", code: "MCA_CSR_MALFORMED" };
const spiffeId = "spiffe://example.test/ns/shop/sa/cart";

describe("requests that we write", () => {
  for (const kind of ["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "ed25519"] as const) {
    it(`with a key of ${kind} are read and verified by us and by @peculiar/x509`, async () => {
      const der = createCsr({
        key: testKey(kind),
        subject: "cart",
        uriSans: [spiffeId],
        dnsSans: ["cart.example.test"],
      });
      const csr = parseCsr(der);
      verifyCsrSignature(csr);
      assert.deepEqual(csr.publicKey.spki, publicKeyOf(testKey(kind)).spki);
      assert.equal(nameToString(csr.subject), "CN=cart");
      assert.deepEqual(csr.requestedNames, [
        { kind: "uri", value: spiffeId },
        { kind: "dns", value: "cart.example.test" },
      ]);
      const theirs = new peculiar.Pkcs10CertificateRequest(new Uint8Array(der));
      assert.equal(await theirs.verify(), true);
      assert.equal(theirs.subject, "CN=cart");
      const names = theirs.getExtension(oid.subjectAltName);
      assert.ok(names instanceof peculiar.SubjectAlternativeNameExtension);
      assert.deepEqual(names.names.toJSON(), [
        { type: "url", value: spiffeId },
        { type: "dns", value: "cart.example.test" },
      ]);
    });
  }

  it("may name nothing at all", () => {
    const csr = parseCsr(createCsr({ key: testKey() }));
    verifyCsrSignature(csr);
    assert.deepEqual([nameToString(csr.subject), csr.requestedNames], ["", []]);
  });

  it("are octet for octet what @peculiar/x509 writes (Ed25519 signatures are deterministic)", async () => {
    const key = freshKey("ed25519");
    const keys: webcrypto.CryptoKeyPair = {
      privateKey: await crypto.subtle.importKey(
        "pkcs8",
        key.export({ format: "der", type: "pkcs8" }),
        "Ed25519",
        true,
        ["sign"],
      ),
      publicKey: await crypto.subtle.importKey("spki", Uint8Array.from(publicKeyOf(key).spki), "Ed25519", true, [
        "verify",
      ]),
    };
    const theirs = await peculiar.Pkcs10CertificateRequestGenerator.create({
      keys,
      signingAlgorithm: { name: "Ed25519" },
      extensions: [new peculiar.SubjectAlternativeNameExtension([{ type: "url", value: spiffeId }], true)],
    });
    assert.deepEqual(createCsr({ key, uriSans: [spiffeId] }), new Uint8Array(theirs.rawData));
  });
});

/** A request from its parts, signed unless `signature` is given. */
function assemble(
  parts: {
    version?: Uint8Array;
    subject?: Uint8Array;
    attributes?: readonly Uint8Array[] | null;
    afterInfo?: readonly Uint8Array[];
    signature?: Uint8Array;
    algorithm?: Uint8Array;
    kind?: TestKeyKind;
    sign?: KnownSignatureAlgorithm;
  } = {},
): Uint8Array {
  const key = testKey(parts.kind ?? "ec-p256");
  const info = derSequence(
    parts.version ?? derSmallInteger(0),
    parts.subject ?? encodeName({}),
    publicKeyOf(key).spki,
    ...(parts.attributes === null ? [] : [derContext(0, Buffer.concat(parts.attributes ?? []), true)]),
  );
  const name = parts.sign ?? "ecdsa-sha256";
  const signature = parts.signature ?? derBitString(signBytes(key, name, info));
  return derSequence(info, parts.algorithm ?? algorithmIdentifier(name), signature, ...(parts.afterInfo ?? []));
}

const attribute = (type: string, ...values: readonly Uint8Array[]): Uint8Array =>
  derSequence(derOid(type), derSet(...values));
const extensionRequest = (...list: readonly Uint8Array[]): Uint8Array =>
  attribute(oid.extensionRequest, derSequence(...list));
const uri = (value: string): Uint8Array => subjectAltNameExtension([{ kind: "uri", value }], true);

describe("requests of others", () => {
  it("of @peculiar/x509, with more extensions and a challenge password, are read", async () => {
    const keys = (await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, true, [
      "sign",
      "verify",
    ])) as webcrypto.CryptoKeyPair;
    const theirs = await peculiar.Pkcs10CertificateRequestGenerator.create({
      name: "CN=host, O=Example",
      keys,
      signingAlgorithm: { name: "ECDSA", hash: "SHA-384" },
      attributes: [new peculiar.ChallengePasswordAttribute("password")],
      extensions: [
        new peculiar.KeyUsagesExtension(peculiar.KeyUsageFlags.digitalSignature),
        new peculiar.SubjectAlternativeNameExtension([
          { type: "url", value: spiffeId },
          { type: "ip", value: "192.0.2.7" },
        ]),
      ],
    });
    const csr = parseCsr(new Uint8Array(theirs.rawData));
    verifyCsrSignature(csr);
    assert.deepEqual(csr.requestedNames, [
      { kind: "uri", value: spiffeId },
      { kind: "ip", bytes: Uint8Array.of(192, 0, 2, 7) },
    ]);
    assert.deepEqual(csr.publicKey.algorithm, { kind: "ec", curve: "P-384" });
  });

  it("may leave out an empty set of attributes", () => {
    verifyCsrSignature(parseCsr(assemble({ attributes: null })));
  });

  it("may hold attributes and extensions that nobody knows", () => {
    const csr = parseCsr(
      assemble({
        attributes: [attribute("1.2.3", derNull()), extensionRequest(keyUsageExtension(["cRLSign"]), uri(spiffeId))],
      }),
    );
    assert.deepEqual(csr.requestedNames, [{ kind: "uri", value: spiffeId }]);
    assert.deepEqual(
      parseCsr(assemble({ attributes: [extensionRequest(keyUsageExtension(["cRLSign"]))] })).requestedNames,
      [],
    );
  });

  it("do not change when the caller writes to the buffer that it gave", () => {
    const input = Buffer.from(assemble());
    const csr = parseCsr(input);
    input.fill(0);
    verifyCsrSignature(csr);
  });

  const cases: Record<string, Uint8Array> = {
    nothing: new Uint8Array(),
    "trailing octets": Buffer.concat([assemble(), Uint8Array.of(0)]),
    "a fourth field": assemble({ afterInfo: [derNull()] }),
    "version 2": assemble({ version: derSmallInteger(1) }),
    "no version": assemble({ version: new Uint8Array() }),
    "a subject that is no name": assemble({ subject: derNull() }),
    "an attribute that is no attribute": assemble({ attributes: [derNull()] }),
    "an attribute without values": assemble({ attributes: [attribute("1.2.3")] }),
    "an attribute with a third field": assemble({
      attributes: [derSequence(derOid("1.2.3"), derSet(derNull()), derNull())],
    }),
    "33 attributes": assemble({ attributes: Array.from({ length: 33 }, (_, i) => attribute(`1.2.3.${i}`, derNull())) }),
    "two extension requests": assemble({
      attributes: [extensionRequest(uri(spiffeId)), extensionRequest(uri("spiffe://other.test/a"))],
    }),
    "an extension request with two values": assemble({
      attributes: [
        attribute(oid.extensionRequest, derSequence(uri(spiffeId)), derSequence(uri("spiffe://other.test/a"))),
      ],
    }),
    "two lists of names": assemble({ attributes: [extensionRequest(uri(spiffeId), uri("spiffe://other.test/a"))] }),
    "an empty list of extensions": assemble({ attributes: [extensionRequest()] }),
    "an empty list of names": assemble({
      attributes: [extensionRequest(encodeExtension(oid.subjectAltName, true, derSequence()))],
    }),
    "a name that is not ASCII": assemble({
      attributes: [
        extensionRequest(
          encodeExtension(oid.subjectAltName, true, derSequence(derContext(6, Uint8Array.of(0xc3), false))),
        ),
      ],
    }),
    "an encoded default": assemble({
      attributes: [extensionRequest(derSequence(derOid("1.2.3"), derBoolean(false), derOctetString(new Uint8Array())))],
    }),
    "a signature that is no BIT STRING": assemble({ signature: derNull() }),
    "a signature algorithm that is none": assemble({ algorithm: derNull() }),
    "a certificate": derSequence(derSequence(derNull()), derNull(), derNull()),
  };
  for (const [what, der] of Object.entries(cases)) {
    it(`with ${what} are refused`, () => {
      assert.throws(() => parseCsr(der), malformed);
    });
  }

  it("that are too large are refused before they are read", () => {
    const tooLarge = { name: "X509Error", code: "MCA_CSR_TOO_LARGE" };
    assert.throws(() => parseCsr(new Uint8Array(16_385)), tooLarge);
    assert.throws(() => parseCsr(assemble(), { maxBytes: 50 }), tooLarge);
    assert.throws(() => parseCsr(new Uint8Array(16_384)), malformed);
  });
});

describe("proof of possession", () => {
  const refused = { name: "X509Error", code: "MCA_CSR_SIGNATURE_INVALID" };

  it("needs the signature of the key in the request", () => {
    verifyCsrSignature(parseCsr(assemble()));
    const foreign = derBitString(signBytes(testKey("ec-p256", "other"), "ecdsa-sha256", Buffer.from("x")));
    assert.throws(() => verifyCsrSignature(parseCsr(assemble({ signature: foreign }))), refused);
    assert.throws(() => verifyCsrSignature(parseCsr(assemble({ signature: derBitString(new Uint8Array()) }))), refused);
  });

  it("needs it over exactly these octets", () => {
    const a = parseCsr(createCsr({ key: testKey(), uriSans: ["spiffe://example.test/a"] }));
    const b = parseCsr(createCsr({ key: testKey(), uriSans: ["spiffe://example.test/b"] }));
    assert.throws(() => verifyCsrSignature({ ...a, signature: b.signature }), refused);
  });

  it("does not accept an algorithm of another kind, or one that is too weak", () => {
    assert.throws(
      () => verifyCsrSignature(parseCsr(assemble({ algorithm: algorithmIdentifier("rsa-sha256") }))),
      refused,
    );
    assert.throws(
      () => verifyCsrSignature(parseCsr(assemble({ algorithm: derSequence(derOid("1.2.840.10045.4.1")) }))),
      refused,
    );
  });

  it("is given by every algorithm that fits the key", () => {
    for (const sign of ["rsa-sha256", "rsa-sha512", "rsa-pss-sha256"] as const) {
      verifyCsrSignature(parseCsr(assemble({ kind: "rsa-2048", sign })));
    }
  });
});

// Public keys and signatures: what node:crypto makes is read and verified, and nothing else is.
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, it } from "node:test";
import {
  algorithmIdentifier,
  defaultSignatureAlgorithm,
  derBitString,
  derElement,
  derExplicit,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSmallInteger,
  type KnownSignatureAlgorithm,
  keyIdentifier,
  oid,
  type PublicKeyInfo,
  parseSubjectPublicKeyInfo,
  publicKeyOf,
  type SignatureAlgorithm,
  sha256Hex,
  signBytes,
  tag,
  verifySignature,
} from "../../src/x509/index.ts";
import { readSignatureAlgorithm } from "../../src/x509/signature-algorithm.ts";
import { type TestKeyKind, testKey } from "../support/pki.ts";

const message = Buffer.from("a message");
const known = (name: KnownSignatureAlgorithm): SignatureAlgorithm => readSignatureAlgorithm(algorithmIdentifier(name));
const refused = { name: "X509Error", code: "MCA_SIGNATURE_INVALID" };

describe("public keys", () => {
  const expected: Record<string, PublicKeyInfo["algorithm"]> = {
    "ec-p256": { kind: "ec", curve: "P-256" },
    "ec-p384": { kind: "ec", curve: "P-384" },
    "ec-p521": { kind: "ec", curve: "P-521" },
    "ec-secp256k1": { kind: "ec", curve: "1.3.132.0.10" },
    "rsa-1024": { kind: "rsa", modulusBits: 1024, exponent: 65_537n },
    "rsa-2048": { kind: "rsa", modulusBits: 2048, exponent: 65_537n },
    "rsa-3072": { kind: "rsa", modulusBits: 3072, exponent: 65_537n },
    ed25519: { kind: "ed25519" },
  };
  for (const [kind, algorithm] of Object.entries(expected)) {
    it(`reads a key of ${kind}`, () => {
      const key = publicKeyOf(testKey(kind as TestKeyKind));
      assert.deepEqual(key.algorithm, algorithm);
      const spki = new Uint8Array(
        createPublicKey(testKey(kind as TestKeyKind)).export({ format: "der", type: "spki" }),
      );
      assert.deepEqual(key.spki, spki);
      assert.equal(key.spkiSha256, sha256Hex(spki));
      assert.equal(keyIdentifier(key).length, 20);
    });
  }

  it("counts the bits of an RSA modulus exactly", () => {
    const rsa = (modulus: Uint8Array, exponent: Uint8Array): PublicKeyInfo =>
      parseSubjectPublicKeyInfo(
        derSequence(
          derSequence(derOid(oid.rsaEncryption), derNull()),
          derBitString(derSequence(derInteger(modulus), derInteger(exponent))),
        ),
      );
    const three = Uint8Array.of(3);
    assert.deepEqual(rsa(Uint8Array.of(0x80, 0), three).algorithm, { kind: "rsa", modulusBits: 16, exponent: 3n });
    assert.deepEqual(rsa(Uint8Array.of(0x7f, 0), three).algorithm, { kind: "rsa", modulusBits: 15, exponent: 3n });
    assert.deepEqual(rsa(Uint8Array.of(1, 0), three).algorithm, { kind: "rsa", modulusBits: 9, exponent: 3n });
    assert.deepEqual(rsa(Uint8Array.of(0), three).algorithm, { kind: "rsa", modulusBits: 0, exponent: 3n });
    assert.throws(() => rsa(Uint8Array.of(0x80, 0), new Uint8Array(9).fill(1)), { code: "MCA_KEY_MALFORMED" });
  });

  it("keeps keys of unknown algorithms by their OID", () => {
    const x25519 = generateKeyPairSync("x25519").publicKey.export({ format: "der", type: "spki" });
    assert.deepEqual(parseSubjectPublicKeyInfo(x25519).algorithm, { kind: "other", oid: "1.3.101.110" });
    const pss = generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey.export({
      format: "der",
      type: "spki",
    });
    assert.deepEqual(parseSubjectPublicKeyInfo(pss).algorithm, { kind: "other", oid: oid.rsaPss });
  });

  const ec = derSequence(derOid(oid.ecPublicKey), derOid(oid.p256));
  const rsaAlgorithm = derSequence(derOid(oid.rsaEncryption), derNull());
  const bits = derBitString(Uint8Array.of(4, 1, 2));
  const two = derSequence(derSmallInteger(3), derSmallInteger(3));
  const point = publicKeyOf(testKey()).keyBits;
  // The same point in the other encodings of SEC 1: OpenSSL takes them, and so they would be a second name for one key.
  const compressed = Buffer.concat([Uint8Array.of(2 + ((point[64] ?? 0) & 1)), point.subarray(1, 33)]);
  const hybrid = Buffer.concat([Uint8Array.of(6 + ((point[64] ?? 0) & 1)), point.subarray(1)]);
  const malformed: Record<string, Uint8Array> = {
    nothing: new Uint8Array(),
    "trailing octets": Buffer.concat([publicKeyOf(testKey()).spki, Uint8Array.of(0)]),
    "no bits": derSequence(ec),
    "a compressed point": derSequence(ec, derBitString(compressed)),
    "a hybrid point": derSequence(ec, derBitString(hybrid)),
    "a point of another curve's size": derSequence(ec, derBitString(publicKeyOf(testKey("ec-p384")).keyBits)),
    "the point at infinity": derSequence(ec, derBitString(Uint8Array.of(0))),
    "an empty point": derSequence(ec, derBitString(new Uint8Array())),
    "a third field": derSequence(ec, bits, derNull()),
    "unused bits": derSequence(ec, derElement(tag.bitString, Uint8Array.of(4, 0x10))),
    "a curve given by its parameters": derSequence(
      derSequence(derOid(oid.ecPublicKey), derSequence(derSmallInteger(1))),
      bits,
    ),
    "no curve": derSequence(derSequence(derOid(oid.ecPublicKey)), bits),
    "two curves": derSequence(derSequence(derOid(oid.ecPublicKey), derOid(oid.p256), derOid(oid.p256)), bits),
    "RSA without NULL": derSequence(derSequence(derOid(oid.rsaEncryption)), derBitString(two)),
    "RSA bits that are no key": derSequence(rsaAlgorithm, derBitString(derNull())),
    "RSA with a third number": derSequence(
      rsaAlgorithm,
      derBitString(derSequence(derSmallInteger(3), derSmallInteger(3), derSmallInteger(3))),
    ),
    "RSA with trailing octets": derSequence(rsaAlgorithm, derBitString(Buffer.concat([two, derNull()]))),
    "a negative RSA modulus": derSequence(
      rsaAlgorithm,
      derBitString(derSequence(derElement(tag.integer, Uint8Array.of(0x80)), derSmallInteger(3))),
    ),
    "Ed25519 with parameters": derSequence(
      derSequence(derOid(oid.ed25519), derNull()),
      derBitString(new Uint8Array(32)),
    ),
    "Ed25519 of 31 octets": derSequence(derSequence(derOid(oid.ed25519)), derBitString(new Uint8Array(31))),
    "an unknown algorithm with two parameters": derSequence(derSequence(derOid("1.2.3"), derNull(), derNull()), bits),
  };
  for (const [what, der] of Object.entries(malformed)) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseSubjectPublicKeyInfo(der), { name: "X509Error", code: "MCA_KEY_MALFORMED" });
    });
  }
});

describe("signatures", () => {
  const pairs: readonly [KnownSignatureAlgorithm, TestKeyKind][] = [
    ["ecdsa-sha256", "ec-p256"],
    ["ecdsa-sha384", "ec-p384"],
    ["ecdsa-sha512", "ec-p521"],
    ["ecdsa-sha512", "ec-p256"],
    ["rsa-sha256", "rsa-2048"],
    ["rsa-sha384", "rsa-2048"],
    ["rsa-sha512", "rsa-2048"],
    ["rsa-pss-sha256", "rsa-2048"],
    ["rsa-pss-sha384", "rsa-2048"],
    ["rsa-pss-sha512", "rsa-2048"],
    ["ed25519", "ed25519"],
  ];
  for (const [name, kind] of pairs) {
    it(`${name} with ${kind} verifies, once and again, and not for another message, signature or key`, () => {
      const key = publicKeyOf(testKey(kind));
      const signature = signBytes(testKey(kind), name, message);
      for (let round = 0; round < 3; round++) verifySignature(key, known(name), message, signature);
      assert.throws(() => verifySignature(key, known(name), Buffer.from("another"), signature), refused);
      const broken = signature.slice();
      broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
      assert.throws(() => verifySignature(key, known(name), message, broken), refused);
      assert.throws(() => verifySignature(key, known(name), message, new Uint8Array()), refused);
      assert.throws(
        () => verifySignature(publicKeyOf(testKey(kind, "other")), known(name), message, signature),
        refused,
      );
    });
  }

  it("a key that is not ours verifies too", () => {
    const { spki, spkiSha256, keyBits, algorithm } = publicKeyOf(testKey());
    const signature = signBytes(testKey(), "ecdsa-sha256", message);
    verifySignature({ spki, spkiSha256, keyBits, algorithm }, known("ecdsa-sha256"), message, signature);
  });

  it("an algorithm that does not fit the key is refused before OpenSSL sees it", () => {
    const ecSignature = signBytes(testKey(), "ecdsa-sha256", message);
    const ecKey = publicKeyOf(testKey());
    for (const name of ["rsa-sha256", "rsa-pss-sha256", "ed25519"] as const) {
      assert.throws(() => verifySignature(ecKey, known(name), message, ecSignature), {
        ...refused,
        message: /does not fit/,
      });
    }
    const pssSignature = signBytes(testKey("rsa-2048"), "rsa-pss-sha256", message);
    assert.throws(
      () => verifySignature(publicKeyOf(testKey("rsa-2048")), known("rsa-sha256"), message, pssSignature),
      refused,
    );
  });

  it("SHA-1 is read by name of its OID and accepted nowhere", () => {
    const sha1 = readSignatureAlgorithm(derSequence(derOid("1.2.840.113549.1.1.5"), derNull()));
    assert.deepEqual([sha1.name, sha1.oid], ["other", "1.2.840.113549.1.1.5"]);
    const signature = sign("sha1", message, testKey("rsa-2048"));
    assert.throws(() => verifySignature(publicKeyOf(testKey("rsa-2048")), sha1, message, signature), refused);
  });

  it("RSASSA-PSS with mixed hashes or a short salt is not taken for a known algorithm", () => {
    const hash = (id: string): Uint8Array => derSequence(derOid(id), derNull());
    const pss = (hashOid: string, maskOid: string, salt: number): Uint8Array =>
      derSequence(
        derOid(oid.rsaPss),
        derSequence(
          derExplicit(0, hash(hashOid)),
          derExplicit(1, derSequence(derOid(oid.mgf1), hash(maskOid))),
          derExplicit(2, derSmallInteger(salt)),
        ),
      );
    assert.equal(readSignatureAlgorithm(pss(oid.sha256, oid.sha256, 32)).name, "rsa-pss-sha256");
    for (const der of [
      pss(oid.sha256, oid.sha512, 32),
      pss(oid.sha256, oid.sha256, 20),
      derSequence(derOid(oid.rsaPss)),
    ]) {
      assert.equal(readSignatureAlgorithm(der).name, "other");
    }
  });

  it("the NULL of RSA algorithms may be missing when read (RFC 4055), and that of others may not be there", () => {
    assert.equal(readSignatureAlgorithm(derSequence(derOid(oid.rsaWithSha256))).name, "rsa-sha256");
    assert.equal(readSignatureAlgorithm(derSequence(derOid(oid.ecdsaWithSha256), derNull())).name, "other");
    assert.throws(() => readSignatureAlgorithm(derSequence(derOid("1.2.3"), derNull(), derNull())), {
      code: "MCA_DER_MALFORMED",
    });
    assert.throws(() => readSignatureAlgorithm(derSequence(derOctetString(new Uint8Array()))), {
      code: "MCA_DER_MALFORMED",
    });
  });

  it("keys that OpenSSL cannot use end as an invalid signature, not as a crash", () => {
    const spki = (algorithm: Uint8Array, key: Uint8Array): PublicKeyInfo =>
      parseSubjectPublicKeyInfo(derSequence(algorithm, derBitString(key)));
    const p256 = derSequence(derOid(oid.ecPublicKey), derOid(oid.p256));
    const signature = signBytes(testKey(), "ecdsa-sha256", message);
    const points = [new Uint8Array(65).fill(4), Buffer.concat([Uint8Array.of(4), new Uint8Array(64)])];
    for (const point of points) {
      for (let round = 0; round < 2; round++) {
        const key = spki(p256, point);
        assert.throws(() => verifySignature(key, known("ecdsa-sha256"), message, signature), {
          ...refused,
          message: /public key is not valid/,
        });
        assert.throws(() => verifySignature(key, known("ecdsa-sha256"), message, signature), refused);
      }
    }
  });

  it("keys that would cost too much, or that no one should use, are refused unused", () => {
    const rsa = (bits: number, exponent: bigint): PublicKeyInfo => ({
      ...publicKeyOf(testKey("rsa-2048")),
      spki: new Uint8Array(),
      algorithm: { kind: "rsa", modulusBits: bits, exponent },
    });
    for (const key of [rsa(8193, 65_537n), rsa(2048, 2n ** 32n + 1n)]) {
      assert.throws(() => verifySignature(key, known("rsa-sha256"), message, message), {
        ...refused,
        message: /8192 bits/,
      });
    }
    const koblitz = testKey("ec-secp256k1");
    const signature = sign("sha256", message, koblitz);
    assert.throws(() => verifySignature(publicKeyOf(koblitz), known("ecdsa-sha256"), message, signature), {
      ...refused,
      message: /1.3.132.0.10/,
    });
  });

  it("a name that is no algorithm is a mistake of the caller", () => {
    // @ts-expect-error: the type forbids it
    assert.throws(() => algorithmIdentifier("rsa-sha1"), TypeError);
  });

  it("each kind of key has its algorithm, and those that we never sign with have none", () => {
    const algorithmOf = (key: KeyObject): string => defaultSignatureAlgorithm(publicKeyOf(key));
    assert.deepEqual(
      (["ec-p256", "ec-p384", "ec-p521", "rsa-2048", "ed25519"] as const).map((kind) => algorithmOf(testKey(kind))),
      ["ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512", "rsa-sha256", "ed25519"],
    );
    assert.throws(() => algorithmOf(testKey("ec-secp256k1")), TypeError);
    assert.throws(() => algorithmOf(generateKeyPairSync("x25519").publicKey), TypeError);
  });
});

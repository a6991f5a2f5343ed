// SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7; RFC 5480, RFC 8017, RFC 8410). The reader says what is there; whether a
// key is good enough is for the path validator and for the key policy of the CA.
import { createPublicKey, type KeyObject } from "node:crypto";
import { sha256Hex } from "./bytes.ts";
import { DerReader, derMalformed } from "./der/reader.ts";
import { tag } from "./der/tags.ts";
import { mapDerErrors } from "./errors.ts";
import { oid } from "./oids.ts";
import { encodePem } from "./pem.ts";
import type { PublicKeyAlgorithm, PublicKeyInfo } from "./types.ts";

const CURVES = new Map<string, string>([
  [oid.p256, "P-256"],
  [oid.p384, "P-384"],
  [oid.p521, "P-521"],
]);
/** Octets of an uncompressed point (RFC 5480 section 2.2): 0x04, x, y. */
const POINT_OCTETS = new Map<string, number>([
  [oid.p256, 65],
  [oid.p384, 97],
  [oid.p521, 133],
]);
const UNCOMPRESSED = 0x04;
const MAX_EXPONENT_OCTETS = 8;

class ParsedPublicKey implements PublicKeyInfo {
  readonly spki: Uint8Array;
  readonly keyBits: Uint8Array;
  readonly algorithm: PublicKeyAlgorithm;
  #sha256: string | undefined;
  #key: KeyObject | undefined;
  #verifications = 0;

  constructor(spki: Uint8Array, keyBits: Uint8Array, algorithm: PublicKeyAlgorithm) {
    this.spki = spki;
    this.keyBits = keyBits;
    this.algorithm = algorithm;
  }

  get spkiSha256(): string {
    this.#sha256 ??= sha256Hex(this.spki);
    return this.#sha256;
  }

  /**
   * The key for node:crypto. A key that is used once (a CSR's) is cheapest as PEM text; one that is used again (an
   * authority's) as a KeyObject: 81 against 15 + 65 us for P-256.
   */
  forVerification(): string | KeyObject {
    this.#verifications++;
    if (this.#verifications === 1) return encodePem("PUBLIC KEY", this.spki);
    this.#key ??= createPublicKey(encodePem("PUBLIC KEY", this.spki));
    return this.#key;
  }
}

/** The key for node:crypto; may throw OpenSSL's error where the key is no point of its curve or the like. */
export function keyForVerification(key: PublicKeyInfo): string | KeyObject {
  return key instanceof ParsedPublicKey ? key.forVerification() : encodePem("PUBLIC KEY", key.spki);
}

/** Reads a SubjectPublicKeyInfo that is a part of something larger; DER errors keep their code. */
export function readPublicKey(parent: DerReader): PublicKeyInfo {
  const { reader, whole } = parent.enterWhole(tag.sequence, "the subject public key");
  const identifier = reader.enter(tag.sequence, "the public key algorithm");
  const id = identifier.oid("the public key algorithm's OID");
  const keyBits = (): Uint8Array => reader.octetBits("the public key's bits");
  switch (id) {
    case oid.ecPublicKey: {
      const curve = identifier.oid("the elliptic curve (only named curves are supported)");
      identifier.end("the public key algorithm");
      const bits = keyBits();
      reader.end("the subject public key");
      // One key, one encoding: otherwise a key that is distrusted by its SHA-256 comes back in another form.
      const octets = POINT_OCTETS.get(curve);
      if (octets !== undefined && (bits.length !== octets || bits[0] !== UNCOMPRESSED)) {
        throw derMalformed("the elliptic curve key is not an uncompressed point");
      }
      return new ParsedPublicKey(whole, bits, { kind: "ec", curve: CURVES.get(curve) ?? curve });
    }
    case oid.rsaEncryption: {
      identifier.contents(tag.null, "the RSA key's parameters");
      identifier.end("the public key algorithm");
      const bits = keyBits();
      reader.end("the subject public key");
      return new ParsedPublicKey(whole, bits, readRsaKey(bits));
    }
    case oid.ed25519: {
      identifier.end("the public key algorithm (Ed25519 has no parameters)");
      const bits = keyBits();
      reader.end("the subject public key");
      if (bits.length !== 32) throw derMalformed("the Ed25519 public key does not have 32 octets");
      return new ParsedPublicKey(whole, bits, { kind: "ed25519" });
    }
    default: {
      if (!identifier.isDone) identifier.element(undefined, "the public key algorithm's parameters");
      identifier.end("the public key algorithm");
      const bits = keyBits();
      reader.end("the subject public key");
      return new ParsedPublicKey(whole, bits, { kind: "other", oid: id });
    }
  }
}

/** RSAPublicKey, RFC 8017 appendix A.1.1. */
function readRsaKey(bits: Uint8Array): PublicKeyAlgorithm {
  const outer = new DerReader(bits);
  const reader = outer.enter(tag.sequence, "the RSA public key");
  outer.end("the RSA public key");
  const modulus = reader.unsigned("the RSA modulus");
  const exponent = reader.unsigned("the RSA exponent");
  reader.end("the RSA public key");
  if (exponent.length > MAX_EXPONENT_OCTETS) {
    throw derMalformed(`the RSA exponent is longer than ${MAX_EXPONENT_OCTETS} octets`);
  }
  let value = 0n;
  for (const octet of exponent) value = (value << 8n) | BigInt(octet);
  const modulusBits = modulus.length * 8 - (Math.clz32(modulus[0] ?? 0) - 24);
  return { kind: "rsa", modulusBits, exponent: value };
}

/**
 * Reads a SubjectPublicKeyInfo. Keys of unknown algorithms are read as `{kind: "other", oid}`.
 * @param der exactly one SubjectPublicKeyInfo
 * @throws X509Error MCA_KEY_MALFORMED
 */
export function parseSubjectPublicKeyInfo(der: Uint8Array): PublicKeyInfo {
  return mapDerErrors("MCA_KEY_MALFORMED", "The public key", () => {
    const reader = new DerReader(new Uint8Array(der));
    const key = readPublicKey(reader);
    reader.end("the subject public key");
    return key;
  });
}

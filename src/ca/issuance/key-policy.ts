// Which public keys a certificate may be issued for: P-256, P-384, Ed25519, RSA of 2048 to 4096 bits with exponent 65537,
// each in its one canonical encoding, and none that is known to be weak. It comes before the proof of possession, so that
// nobody can make us verify under a huge key; a point off the curve is found by OpenSSL there.
import type { Csr, PublicKeyInfo } from "../../x509/index.ts";
import { IssuanceError } from "./errors.ts";
import { same, Walker } from "./lint/walker.ts";
import { weaknessOfModulus } from "./weak-rsa.ts";

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;
const ACCEPTED = "P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits with exponent 65537";

// SubjectPublicKeyInfo up to the point: RFC 5480 2 (uncompressed points only), RFC 8410 4.
const P256_PREFIX = hex("3059301306072a8648ce3d020106082a8648ce3d03010703420004");
const P384_PREFIX = hex("3076301006072a8648ce3d020106052b8104002203620004");
const ED25519_PREFIX = hex("302a300506032b6570032100");
const RSA_ALGORITHM = hex("300d06092a864886f70d0101010500");

// Points of small order on edwards25519 (RFC 8032), the sign bit cleared: a signature under them proves nothing.
const ED25519_SMALL_ORDER: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/**
 * Refuses keys that no certificate may be issued for.
 * @throws IssuanceError MCA_CSR_KEY_REFUSED
 */
export function requireAcceptableKey(csr: Csr): void {
  const { publicKey } = csr;
  const { algorithm } = publicKey;
  switch (algorithm.kind) {
    case "ec":
      if (algorithm.curve === "P-256") requireForm(publicKey, P256_PREFIX, 64);
      else if (algorithm.curve === "P-384") requireForm(publicKey, P384_PREFIX, 96);
      else throw refused(`an EC key on the curve ${algorithm.curve}`);
      return;
    case "ed25519":
      requireForm(publicKey, ED25519_PREFIX, 32);
      requireLargeOrder(publicKey.keyBits);
      return;
    case "rsa":
      if (algorithm.modulusBits < MIN_RSA_BITS || algorithm.modulusBits > MAX_RSA_BITS) {
        throw refused(`an RSA key of ${algorithm.modulusBits} bits`);
      }
      if (algorithm.exponent !== 65537n) throw refused("an RSA key with another exponent");
      requireStrongModulus(publicKey);
      return;
    case "other":
      throw refused(`a key of the algorithm ${algorithm.oid}`);
  }
}

function requireForm(key: PublicKeyInfo, prefix: Uint8Array, rest: number): void {
  if (key.spki.length !== prefix.length + rest || !same(key.spki, 0, prefix.length, prefix)) {
    throw refused("a key in a form that is not the usual one (compressed point, or other parameters)");
  }
}

function requireLargeOrder(keyBits: Uint8Array): void {
  const point = Buffer.from(keyBits);
  point[31] = (point[31] ?? 0) & 0x7f;
  if (ED25519_SMALL_ORDER.has(point.toString("hex"))) throw refused("an Ed25519 point of small order");
}

function requireStrongModulus(key: PublicKeyInfo): void {
  const walker = new Walker(key.spki);
  const end = walker.enter(0x30, key.spki.length, "SubjectPublicKeyInfo");
  if (!same(key.spki, walker.at, walker.at + RSA_ALGORITHM.length, RSA_ALGORITHM)) {
    throw refused("an RSA key with parameters other than NULL");
  }
  walker.skip(end, "algorithm");
  const bits = new Walker(key.keyBits);
  const sequence = bits.enter(0x30, key.keyBits.length, "RSAPublicKey");
  const stop = bits.enter(0x02, sequence, "modulus");
  const weakness = weaknessOfModulus(BigInt(`0x${Buffer.from(key.keyBits.subarray(bits.at, stop)).toString("hex")}`));
  if (weakness !== undefined) throw refused(`an RSA key that is known to be weak (${weakness})`);
}

function refused(found: string): IssuanceError {
  return new IssuanceError("MCA_CSR_KEY_REFUSED", `The CSR holds ${found}. Make a new key: ${ACCEPTED}.`, {
    details: { found, expected: ACCEPTED },
  });
}

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

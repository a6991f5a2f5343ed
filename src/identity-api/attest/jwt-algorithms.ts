// Signature algorithms of JWTs that are accepted as evidence (RFC 7518 section 3.1, RFC 8037). All are asymmetric: there is no HMAC and
// no "none" in this table, so a public key can never be used as a shared secret. The key's type must fit the algorithm.
import { constants, type KeyObject, verify } from "node:crypto";

export type KeyType =
  | { readonly kty: "RSA" }
  | { readonly kty: "EC"; readonly crv: string }
  | { readonly kty: "OKP"; readonly crv: "Ed25519" };

interface Algorithm {
  readonly key: KeyType;
  /** Digest by OpenSSL's name; null: the scheme has its own. */
  readonly digest: string | null;
  readonly options: { readonly padding?: number; readonly saltLength?: number; readonly dsaEncoding?: "ieee-p1363" };
}

const pkcs1 = { padding: constants.RSA_PKCS1_PADDING };
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const p1363 = { dsaEncoding: "ieee-p1363" } as const;

const algorithms: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ["RS256", { key: { kty: "RSA" }, digest: "sha256", options: pkcs1 }],
  ["RS384", { key: { kty: "RSA" }, digest: "sha384", options: pkcs1 }],
  ["RS512", { key: { kty: "RSA" }, digest: "sha512", options: pkcs1 }],
  ["PS256", { key: { kty: "RSA" }, digest: "sha256", options: pss }],
  ["PS384", { key: { kty: "RSA" }, digest: "sha384", options: pss }],
  ["PS512", { key: { kty: "RSA" }, digest: "sha512", options: pss }],
  ["ES256", { key: { kty: "EC", crv: "P-256" }, digest: "sha256", options: p1363 }],
  ["ES384", { key: { kty: "EC", crv: "P-384" }, digest: "sha384", options: p1363 }],
  ["ES512", { key: { kty: "EC", crv: "P-521" }, digest: "sha512", options: p1363 }],
  ["EdDSA", { key: { kty: "OKP", crv: "Ed25519" }, digest: null, options: {} }],
]);

/** Every algorithm that a configuration may name. */
export const knownAlgorithms: readonly string[] = [...algorithms.keys()];

/** The type of key that an algorithm needs; undefined for an algorithm that is never accepted. */
export function keyTypeOf(algorithm: string): KeyType | undefined {
  return algorithms.get(algorithm)?.key;
}

/** Least bits of an RSA modulus (RFC 7518 3.3). */
const MIN_RSA_BITS = 2048;

/** What keeps a key from being used with an algorithm; undefined if nothing does. */
export function keyProblem(algorithm: string, key: KeyObject): string | undefined {
  const type = keyTypeOf(algorithm);
  if (type === undefined) return "the algorithm is not accepted";
  if (key.type !== "public") return "it is not a public key";
  const expected = type.kty === "RSA" ? "rsa" : type.kty === "EC" ? "ec" : "ed25519";
  if (key.asymmetricKeyType !== expected) return `it is no ${expected} key`;
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (expected === "rsa" && (bits === undefined || bits < MIN_RSA_BITS))
    return `it has fewer than ${MIN_RSA_BITS} bits`;
  return undefined;
}

/** What keeps a signature from being good; undefined if nothing does. The key must have passed keyProblem. */
export function signatureProblem(
  algorithm: string,
  key: KeyObject,
  input: Uint8Array,
  signature: Uint8Array,
): string | undefined {
  const known = algorithms.get(algorithm);
  if (known === undefined) return "the algorithm is not accepted";
  return verify(known.digest, input, { key, ...known.options }, signature) ? undefined : "it does not fit";
}

// Signing with a private key that this process holds, for requests of our own, tools and tests. Authorities sign through
// their key store's Signer, never through this file.
import { constants, createPublicKey, type KeyObject, sign } from "node:crypto";
import { parseSubjectPublicKeyInfo } from "./public-key.ts";
import { signatureScheme } from "./signature-algorithm.ts";
import type { KnownSignatureAlgorithm, PublicKeyInfo } from "./types.ts";

/** The public half of a private (or public) key. */
export function publicKeyOf(key: KeyObject): PublicKeyInfo {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return parseSubjectPublicKeyInfo(publicKey.export({ format: "der", type: "spki" }));
}

/**
 * The algorithm that we sign with by default: ECDSA with the hash of the curve's own size, RSA PKCS#1 v1.5 with SHA-256, Ed25519.
 * @throws TypeError for keys that we never sign with
 */
export function defaultSignatureAlgorithm(key: PublicKeyInfo): KnownSignatureAlgorithm {
  const algorithm = key.algorithm;
  switch (algorithm.kind) {
    case "ec":
      if (algorithm.curve === "P-256") return "ecdsa-sha256";
      if (algorithm.curve === "P-384") return "ecdsa-sha384";
      if (algorithm.curve === "P-521") return "ecdsa-sha512";
      throw new TypeError(`no signature algorithm for the curve ${algorithm.curve}`);
    case "rsa":
      return "rsa-sha256";
    case "ed25519":
      return "ed25519";
    case "other":
      throw new TypeError(`no signature algorithm for keys of ${algorithm.oid}`);
  }
}

/** Signs with node:crypto; the signature is as X.509 carries it (DER for ECDSA). */
export function signBytes(key: KeyObject, algorithm: KnownSignatureAlgorithm, message: Uint8Array): Uint8Array {
  const scheme = signatureScheme(algorithm);
  const signature =
    scheme.pssSaltLength === undefined
      ? sign(scheme.hash, message, key)
      : sign(scheme.hash, message, {
          key,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: scheme.pssSaltLength,
        });
  return new Uint8Array(signature);
}

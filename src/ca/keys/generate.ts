// Makes private keys with node:crypto, in the thread pool: an RSA key takes up to seconds.
import { generateKeyPair, type KeyObject } from "node:crypto";
import { assertNever } from "../../runtime/index.ts";
import type { KeyAlgorithm } from "./signer.ts";

/** A fresh private key. The randomness is OpenSSL's own: a RandomSource cannot be given to it. */
export function generatePrivateKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _publicKey: KeyObject, privateKey: KeyObject): void =>
      error ? reject(error) : resolve(privateKey);
    switch (algorithm) {
      case "ec-p256":
        return generateKeyPair("ec", { namedCurve: "P-256" }, done);
      case "ec-p384":
        return generateKeyPair("ec", { namedCurve: "P-384" }, done);
      case "ed25519":
        return generateKeyPair("ed25519", undefined, done);
      case "rsa-2048":
      case "rsa-3072":
      case "rsa-4096":
        return generateKeyPair("rsa", { modulusLength: Number(algorithm.slice(4)), publicExponent: 65537 }, done);
      default:
        return assertNever(algorithm);
    }
  });
}

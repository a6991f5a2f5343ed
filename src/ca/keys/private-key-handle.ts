// A private key in memory. It signs and says what it is; it never says what it contains: printing, logging or
// serialising it yields "[private key]", and there is no way to get the key out.
import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { inspect } from "node:util";
import { sha256, toHex } from "../../x509/index.ts";
import { KeyError } from "./errors.ts";
import type { Signer, SignerAlgorithm } from "./signer.ts";

const SHORT_OPERATION_ALGORITHMS: ReadonlySet<SignerAlgorithm> = new Set(["ecdsa-sha256", "ed25519"]);

/** A private key of node:crypto behind the {@link Signer} interface. */
export class PrivateKeyHandle implements Signer {
  readonly spki: Uint8Array;
  readonly spkiSha256: string;
  readonly algorithm: SignerAlgorithm;
  readonly #key: KeyObject;
  readonly #digest: string | null;
  readonly #blocking: boolean;

  /** @throws KeyError MCA_KEY_ALGORITHM_UNSUPPORTED for a key that no authority may have. */
  constructor(key: KeyObject) {
    if (key.type !== "private") throw new TypeError("not a private key");
    this.#key = key;
    this.algorithm = algorithmOf(key);
    this.#digest = digestOf(this.algorithm);
    // Measured on Node 24.21: P-256 takes 25 us here and 33 in the thread pool, Ed25519 35 and 45; a thread pays only for
    // what would block everybody else (P-384 780 us, RSA-2048 250, RSA-4096 1,470).
    this.#blocking = SHORT_OPERATION_ALGORITHMS.has(this.algorithm);
    this.spki = new Uint8Array(createPublicKey(key).export({ type: "spki", format: "der" }));
    this.spkiSha256 = toHex(sha256(this.spki));
  }

  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    if (this.#blocking) return sign(this.#digest, bytes, this.#key);
    const digest = this.#digest;
    const key = this.#key;
    return new Promise((resolve, reject) => {
      sign(digest, bytes, key, (error, signature) => (error ? reject(error) : resolve(signature)));
    });
  }

  toString(): string {
    return "[private key]";
  }

  toJSON(): string {
    return "[private key]";
  }

  [inspect.custom](): string {
    return "[private key]";
  }
}

function algorithmOf(key: KeyObject): SignerAlgorithm {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case "ec":
      if (details?.namedCurve === "prime256v1") return "ecdsa-sha256";
      if (details?.namedCurve === "secp384r1") return "ecdsa-sha384";
      break;
    case "ed25519":
      return "ed25519";
    case "rsa":
      if ((details?.modulusLength ?? 0) >= 2048 && details?.publicExponent === 65537n) return "rsa-sha256";
      break;
    default:
  }
  throw new KeyError(
    "MCA_KEY_ALGORITHM_UNSUPPORTED",
    `An authority cannot have a key of type ${key.asymmetricKeyType ?? "unknown"}${details?.namedCurve ? ` (${details.namedCurve})` : ""}: use P-256, P-384, Ed25519, or RSA of at least 2048 bits with exponent 65537.`,
  );
}

function digestOf(algorithm: SignerAlgorithm): string | null {
  switch (algorithm) {
    case "ecdsa-sha256":
    case "rsa-sha256":
      return "sha256";
    case "ecdsa-sha384":
      return "sha384";
    case "ed25519":
      return null;
  }
}

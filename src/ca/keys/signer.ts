// A private key that can sign, and nothing else. Software and hardware keys look alike behind it.
// It must never give the key itself away.

/** Algorithms that mesh-ca makes authority keys of. */
export type KeyAlgorithm = "ec-p256" | "ec-p384" | "ed25519" | "rsa-2048" | "rsa-3072" | "rsa-4096";

/** Signature algorithms that a {@link Signer} may use, by the names of src/x509. */
export type SignerAlgorithm = "ecdsa-sha256" | "ecdsa-sha384" | "rsa-sha256" | "ed25519";

/** Signs with one private key. */
export interface Signer {
  /** SubjectPublicKeyInfo of the public half, DER. */
  readonly spki: Uint8Array;
  /** SHA-256 of `spki`, lower-case hex: the name of this key everywhere. */
  readonly spkiSha256: string;
  readonly algorithm: SignerAlgorithm;
  /**
   * Signs `bytes` (hashing them as the algorithm says) and returns the signature as X.509 wants it in a BIT STRING
   * (ECDSA: DER, RFC 3279 2.2.3; Ed25519: RFC 8410 6; RSA: PKCS #1 v1.5, RFC 4055 5).
   */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

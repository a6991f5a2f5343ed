// Where private keys of the certificate authority live. One file per kind of store beside this one; a store hands out
// Signers, never keys.
import type { KeyAlgorithm, Signer } from "./signer.ts";

/** What a key is made for; written into the store so that a person can tell the keys apart. */
export type KeyPurpose = "authority";

/** A key as `list()` names it. */
export interface StoredKey {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** Whether a reader of the medium still needs more to use the key: a passphrase, a token. Undefined: nobody can tell now. */
  readonly sealed: boolean | undefined;
}

export interface CreatedKey {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly keyId: string;
  readonly signer: Signer;
}

/** A store of private keys. All of its methods throw {@link KeyError}. */
export interface KeyStore {
  /** Which store this is, for people: "file:/var/lib/mesh-ca/keys". */
  readonly description: string;
  /** Makes a key. When this resolves, the key survives a power cut. */
  create(purpose: KeyPurpose, algorithm: KeyAlgorithm): Promise<CreatedKey>;
  /** Opens a key by the SHA-256 of its SubjectPublicKeyInfo. Throws MCA_KEY_NOT_FOUND, MCA_KEY_STORE_INSECURE, MCA_KEY_MISMATCH, ... */
  open(spkiSha256: string): Promise<Signer>;
  /** Destroys a key for good; answers whether there was one. A key that is not there is no error. */
  destroy(spkiSha256: string): Promise<boolean>;
  list(): Promise<readonly StoredKey[]>;
}

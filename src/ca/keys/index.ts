export { KeyError, type KeyErrorCode, type KeyPassphraseErrorCode } from "./errors.ts";
export { FileKeyStore, type FileKeyStoreOptions, type Sealing } from "./file-key-store.ts";
export type { CreatedKey, KeyPurpose, KeyStore, StoredKey } from "./key-store.ts";
export { Passphrase, type PassphraseSource, readPassphrase } from "./passphrase.ts";
export type { KeyAlgorithm, Signer, SignerAlgorithm } from "./signer.ts";

export { KeyError, type KeyErrorCode } from "./errors.ts";
export { FileKeyStore, type FileKeyStoreOptions } from "./file-key-store.ts";
export type { CreatedKey, KeyPurpose, KeyStore, StoredKey } from "./key-store.ts";
export type { KeyAlgorithm, Signer, SignerAlgorithm } from "./signer.ts";

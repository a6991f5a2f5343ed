// being written
import type { CreatedKey, KeyStore, StoredKey } from "./key-store.ts";
import type { Signer } from "./signer.ts";
export interface FileKeyStoreOptions {
  readonly directory: string;
}
export class FileKeyStore implements KeyStore {
  readonly description: string;
  private constructor(directory: string) {
    this.description = `file:${directory}`;
  }
  static async open(options: FileKeyStoreOptions): Promise<FileKeyStore> {
    return new FileKeyStore(options.directory);
  }
  async create(): Promise<CreatedKey> {
    throw new TypeError("being written");
  }
  async open(): Promise<Signer> {
    throw new TypeError("being written");
  }
  async destroy(): Promise<void> {}
  async list(): Promise<readonly StoredKey[]> {
    return [];
  }
}

// The key store "file": each private key is one PKCS#8 file (RFC 5958), mode 0600, in a folder of mode 0700, named by the
// SHA-256 of its public half. A key is durable before it is used. Keys that others could read or that belong to somebody
// else are refused, never repaired. Encryption of the files with a passphrase (PBES2) belongs into `seal` and `unseal`.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readdir } from "node:fs/promises";
import { KeyError } from "./errors.ts";
import { generatePrivateKey } from "./generate.ts";
import type { CreatedKey, KeyPurpose, KeyStore, StoredKey } from "./key-store.ts";
import { destroyPrivateFile, openPrivateDirectory, readPrivateFile, writePrivateFile } from "./private-files.ts";
import { PrivateKeyHandle } from "./private-key-handle.ts";
import type { KeyAlgorithm, Signer } from "./signer.ts";

export interface FileKeyStoreOptions {
  /** The folder of the keys; made with mode 0700 if it is missing (its parent must exist). */
  readonly directory: string;
}

const SUFFIX = ".pkcs8.pem";
const SPKI_SHA256 = /^[0-9a-f]{64}$/;

/** Keeps private keys in files. */
export class FileKeyStore implements KeyStore {
  readonly description: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.description = `file:${directory}`;
  }

  /** Opens (or makes) the folder. Throws KeyError MCA_KEY_STORE_INSECURE, MCA_KEY_STORE_UNAVAILABLE. */
  static async open(options: FileKeyStoreOptions): Promise<FileKeyStore> {
    await openPrivateDirectory(options.directory);
    return new FileKeyStore(options.directory);
  }

  async create(_purpose: KeyPurpose, algorithm: KeyAlgorithm): Promise<CreatedKey> {
    await openPrivateDirectory(this.#directory);
    const key = await generatePrivateKey(algorithm);
    const signer = new PrivateKeyHandle(key);
    await writePrivateFile(this.#directory, signer.spkiSha256 + SUFFIX, seal(key));
    // What is used is what a restart will find, not what is in memory.
    return { keyId: signer.spkiSha256, signer: await this.open(signer.spkiSha256) };
  }

  async open(spkiSha256: string): Promise<Signer> {
    requireName(spkiSha256);
    await openPrivateDirectory(this.#directory);
    const text = await readPrivateFile(this.#directory, spkiSha256 + SUFFIX);
    if (text === undefined) {
      throw new KeyError(
        "MCA_KEY_NOT_FOUND",
        `The key ${spkiSha256} is not in ${this.description}. Restore the file ${spkiSha256}${SUFFIX} from its backup.`,
        { details: { key: spkiSha256, store: this.description } },
      );
    }
    const signer = new PrivateKeyHandle(unseal(text, spkiSha256));
    if (signer.spkiSha256 !== spkiSha256) {
      throw new KeyError(
        "MCA_KEY_MISMATCH",
        `The file ${spkiSha256}${SUFFIX} in ${this.description} holds another key (${signer.spkiSha256}). Put the right file back.`,
        { details: { found: signer.spkiSha256, expected: spkiSha256 } },
      );
    }
    return signer;
  }

  async destroy(spkiSha256: string): Promise<void> {
    requireName(spkiSha256);
    await destroyPrivateFile(this.#directory, spkiSha256 + SUFFIX);
  }

  async list(): Promise<readonly StoredKey[]> {
    await openPrivateDirectory(this.#directory);
    const names = await readdir(this.#directory);
    return names
      .filter((name) => name.endsWith(SUFFIX) && SPKI_SHA256.test(name.slice(0, -SUFFIX.length)))
      .sort()
      .map((name) => ({ spkiSha256: name.slice(0, -SUFFIX.length) }));
  }
}

function seal(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

function unseal(text: string, spkiSha256: string): KeyObject {
  try {
    return createPrivateKey({ key: text, format: "pem" });
  } catch (error) {
    throw new KeyError(
      "MCA_KEY_UNREADABLE",
      `The file ${spkiSha256}${SUFFIX} holds no readable PKCS#8 key. Restore it from its backup.`,
      // OpenSSL's error names no key material, but the text that it failed on stays out of it.
      { cause: error },
    );
  }
}

function requireName(spkiSha256: string): void {
  if (!SPKI_SHA256.test(spkiSha256)) throw new TypeError("a key is named by the SHA-256 of its SPKI in lower-case hex");
}

// The key store "file": each private key is one PKCS#8 file (RFC 5958), mode 0600, in a folder of mode 0700, named by the
// SHA-256 of its public half. With a passphrase new files are sealed (pbes2.ts). A key is durable before it is used. Keys that others
// could read or that belong to somebody else are refused, never repaired; and where keys are sealed, none is written unsealed.
import type { KeyObject } from "node:crypto";
import { readdir } from "node:fs/promises";
import { type Logger, type RandomSource, silentLogger } from "../../runtime/index.ts";
import { KeyError } from "./errors.ts";
import { generatePrivateKey } from "./generate.ts";
import { encodeKeyFile, isSealed, type KeyFile, parseKeyFile } from "./key-file.ts";
import type { CreatedKey, KeyPurpose, KeyStore, StoredKey } from "./key-store.ts";
import { type Passphrase, type PassphraseSource, readPassphrase } from "./passphrase.ts";
import {
  destroyPrivateFile,
  openPrivateDirectory,
  readPrivateFile,
  UNFINISHED,
  writePrivateFile,
} from "./private-files.ts";
import { PrivateKeyHandle } from "./private-key-handle.ts";
import type { KeyAlgorithm, Signer } from "./signer.ts";

/** How new keys are sealed, and sealed ones opened. */
export interface Sealing {
  readonly passphrase: PassphraseSource;
  readonly random: RandomSource;
}

export interface FileKeyStoreOptions {
  /** The folder of the keys; made with mode 0700 if it is missing (its parent must exist). */
  readonly directory: string;
  /** Undefined: new keys are written unsealed, and sealed ones cannot be opened. */
  readonly sealing?: Sealing | undefined;
  readonly logger?: Logger;
}

/** A sealed key that was opened, or could not be: the derivation is slow on purpose, and standing is looked at every second. */
interface Attempt {
  readonly text: string;
  readonly passphrase: Passphrase;
  readonly result: { readonly signer: Signer } | { readonly error: KeyError };
}

const SUFFIX = ".pkcs8.pem";
const SPKI_SHA256 = /^[0-9a-f]{64}$/;

/** Keeps private keys in files. */
export class FileKeyStore implements KeyStore {
  readonly description: string;
  readonly #directory: string;
  readonly #sealing: Sealing | undefined;
  readonly #logger: Logger;
  readonly #attempts = new Map<string, Attempt>();
  readonly #toldUnsealed = new Set<string>();
  #lastCreation = Promise.resolve();

  private constructor({ directory, sealing, logger = silentLogger }: FileKeyStoreOptions) {
    this.#directory = directory;
    this.#sealing = sealing;
    this.#logger = logger;
    this.description = `file:${directory}`;
  }

  /**
   * Opens (or makes) the folder. The passphrase is not asked for yet: its file may be mended while the server runs.
   * @throws KeyError MCA_KEY_STORE_INSECURE, MCA_KEY_STORE_UNAVAILABLE
   */
  static async open(options: FileKeyStoreOptions): Promise<FileKeyStore> {
    await openPrivateDirectory(options.directory);
    return new FileKeyStore(options);
  }

  /** One at a time: what another call is writing looks like what a crash left. */
  create(_purpose: KeyPurpose, algorithm: KeyAlgorithm): Promise<CreatedKey> {
    const created = this.#lastCreation.then(() => this.#create(algorithm));
    this.#lastCreation = created.then(
      () => {},
      () => {},
    );
    return created;
  }

  async #create(algorithm: KeyAlgorithm): Promise<CreatedKey> {
    await openPrivateDirectory(this.#directory);
    await this.#destroyUnfinished();
    const sealing = await this.#sealingOfNewKeys();
    const key = await generatePrivateKey(algorithm);
    const { spkiSha256 } = new PrivateKeyHandle(key);
    await writePrivateFile(this.#directory, spkiSha256 + SUFFIX, await encodeKeyFile(key, sealing));
    // What is used is what a restart will find, not what is in memory.
    return { keyId: spkiSha256, signer: await this.open(spkiSha256) };
  }

  async open(spkiSha256: string): Promise<Signer> {
    requireName(spkiSha256);
    await openPrivateDirectory(this.#directory);
    const file = { path: this.#pathOf(spkiSha256), text: await this.#read(spkiSha256) };
    if (!isSealed(file.text)) {
      this.#tellUnsealed(spkiSha256);
      return requireKey(file, await parseKeyFile(file, undefined), spkiSha256);
    }
    const passphrase = await this.#requirePassphrase(file.path);
    const known = this.#attempts.get(spkiSha256);
    const attempt =
      known?.text === file.text && known.passphrase.equals(passphrase)
        ? known
        : { text: file.text, passphrase, result: await unseal(file, passphrase, spkiSha256) };
    this.#attempts.set(spkiSha256, attempt);
    if ("error" in attempt.result) throw attempt.result.error;
    return attempt.result.signer;
  }

  async destroy(spkiSha256: string): Promise<boolean> {
    requireName(spkiSha256);
    this.#attempts.delete(spkiSha256);
    return await destroyPrivateFile(this.#directory, spkiSha256 + SUFFIX);
  }

  async list(): Promise<readonly StoredKey[]> {
    await openPrivateDirectory(this.#directory);
    const names = await readdir(this.#directory);
    const keys = names
      .filter((name) => name.endsWith(SUFFIX) && SPKI_SHA256.test(name.slice(0, -SUFFIX.length)))
      .sort()
      .map((name) => name.slice(0, -SUFFIX.length));
    return Promise.all(keys.map(async (spkiSha256) => ({ spkiSha256, sealed: await this.#isSealed(spkiSha256) })));
  }

  /** Whether new keys are to be sealed. */
  get seals(): boolean {
    return this.#sealing !== undefined;
  }

  /** What is wrong with the passphrase's file now; undefined: nothing, or no passphrase is configured. */
  async passphraseProblem(): Promise<KeyError | undefined> {
    if (this.#sealing === undefined) return undefined;
    try {
      await readPassphrase(this.#sealing.passphrase);
      return undefined;
    } catch (error) {
      if (error instanceof KeyError) return error;
      throw error;
    }
  }

  /** What a crash in the middle of a writing left. Keys are used when they are durable, so that these have signed nothing. */
  async #destroyUnfinished(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (name.endsWith(SUFFIX + UNFINISHED)) await destroyPrivateFile(this.#directory, name);
    }
  }

  #pathOf(spkiSha256: string): string {
    return `${this.#directory}/${spkiSha256}${SUFFIX}`;
  }

  async #read(spkiSha256: string): Promise<string> {
    const text = await readPrivateFile(this.#directory, spkiSha256 + SUFFIX);
    if (text !== undefined) return text;
    throw new KeyError(
      "MCA_KEY_NOT_FOUND",
      `The key ${spkiSha256} is not in ${this.description}. Restore the file ${spkiSha256}${SUFFIX} from its backup.`,
      { details: { key: spkiSha256, store: this.description } },
    );
  }

  /** Listing goes on where a file cannot be read: opening that key will tell why. */
  async #isSealed(spkiSha256: string): Promise<boolean | undefined> {
    try {
      return isSealed(await this.#read(spkiSha256));
    } catch (error) {
      if (error instanceof KeyError) return undefined;
      throw error;
    }
  }

  /** A passphrase that was lost from the configuration must not end in keys that anybody can read. */
  async #sealingOfNewKeys(): Promise<{ readonly passphrase: Passphrase; readonly random: RandomSource } | undefined> {
    if (this.#sealing !== undefined) {
      return { passphrase: await readPassphrase(this.#sealing.passphrase), random: this.#sealing.random };
    }
    const sealed = (await this.list()).find((key) => key.sealed === true);
    if (sealed !== undefined) throw noPassphrase(this.#pathOf(sealed.spkiSha256), "No key is made unsealed beside it.");
    return undefined;
  }

  async #requirePassphrase(path: string): Promise<Passphrase> {
    if (this.#sealing === undefined) throw noPassphrase(path, "It cannot be opened.");
    return readPassphrase(this.#sealing.passphrase);
  }

  #tellUnsealed(spkiSha256: string): void {
    if (this.#sealing === undefined || this.#toldUnsealed.has(spkiSha256)) return;
    this.#toldUnsealed.add(spkiSha256);
    this.#logger.warn(
      { event: "key.unsealed", key: spkiSha256, store: this.description },
      "a passphrase is configured, but this key was written without one: rotate the authority, and the next key is sealed",
    );
  }
}

async function unseal(file: KeyFile, passphrase: Passphrase, spkiSha256: string): Promise<Attempt["result"]> {
  try {
    return { signer: requireKey(file, await parseKeyFile(file, passphrase), spkiSha256) };
  } catch (error) {
    if (error instanceof KeyError) return { error };
    throw error;
  }
}

function requireKey(file: KeyFile, key: KeyObject, spkiSha256: string): Signer {
  const signer = new PrivateKeyHandle(key);
  if (signer.spkiSha256 === spkiSha256) return signer;
  throw new KeyError(
    "MCA_KEY_MISMATCH",
    `The file ${file.path} holds another key (${signer.spkiSha256}). Put the right file back.`,
    { details: { found: signer.spkiSha256, expected: spkiSha256 } },
  );
}

function noPassphrase(path: string, consequence: string): KeyError {
  return new KeyError(
    "MCA_KEY_PASSPHRASE_MISSING",
    `The key file ${path} is sealed, and no passphrase is configured. ${consequence} Name the passphrase's file (keys.passphraseFile), or give the service the credential mesh-ca-key-passphrase.`,
    { details: { path } },
  );
}

function requireName(spkiSha256: string): void {
  if (!SPKI_SHA256.test(spkiSha256)) throw new TypeError("a key is named by the SHA-256 of its SPKI in lower-case hex");
}

// The private key of an issuing CA on disk: read only while nobody else could have read or replaced it, in any of the forms
// that PKI teams keep (PKCS#8, sealed PKCS#8, EC, RSA; PEM). It goes into a handle that signs and never prints.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { stat } from "node:fs/promises";
import { KeyError, type Passphrase, readPassphrase, type Signer } from "../keys/index.ts";
import { parseKeyFile } from "../keys/key-file.ts";
import { readPrivatePath } from "../keys/private-files.ts";
import { PrivateKeyHandle } from "../keys/private-key-handle.ts";
import { UpstreamError } from "./errors.ts";

/** The text of a key file and the passphrase that goes with it, not yet opened. */
export interface DiskKeyFile {
  readonly path: string;
  readonly text: string;
  readonly passphrase: Passphrase | undefined;
}

/**
 * Reads the file of a key, and its passphrase.
 * @throws KeyError where others could read it, or there is no passphrase; UpstreamError MCA_UPSTREAM_FILES_UNUSABLE
 */
export async function readDiskKey(path: string, passphrasePath: string | undefined): Promise<DiskKeyFile> {
  const text = await readPrivatePath(path, await ownerOf(path), "key");
  if (text === undefined) throw unusable(path, "is not there. Mount the issuing CA's key, or name the right file");
  if (passphrasePath === undefined || !isEncrypted(text)) return { path, text, passphrase: undefined };
  const systemd = (await ownerOf(passphrasePath)) === "systemd";
  const passphrase = await readPassphrase({ kind: systemd ? "credential" : "file", path: passphrasePath });
  return { path, text, passphrase };
}

/** Opens a key. @throws KeyError, UpstreamError MCA_UPSTREAM_FILES_UNUSABLE */
export async function openDiskKey(file: DiskKeyFile): Promise<Signer> {
  const { path, text, passphrase } = file;
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw unusable(path, "holds no private key in PEM. Convert it: openssl pkey -in FILE -out key.pem");
  }
  if (isEncrypted(text) && passphrase === undefined) {
    throw unusable(path, "is encrypted. Put its passphrase into a file and name that (authority.disk.passphraseFile)");
  }
  return new PrivateKeyHandle(await openKey(file));
}

async function openKey({ path, text, passphrase }: DiskKeyFile): Promise<KeyObject> {
  if (passphrase !== undefined) {
    try {
      // With scrypt this takes a fifth of a second, in the thread pool.
      return await parseKeyFile({ path, text }, passphrase);
    } catch (error) {
      if (!(error instanceof KeyError) || error.code !== "MCA_KEY_UNREADABLE") throw error;
    }
  }
  try {
    if (passphrase === undefined) return createPrivateKey({ key: text, format: "pem" });
    // PBKDF2 and the older forms, which only OpenSSL's own reader takes; it blocks for what the file asks.
    return passphrase.use((bytes) => createPrivateKey({ key: text, format: "pem", passphrase: Buffer.from(bytes) }));
  } catch {
    // OpenSSL's error says nothing that helps, and nothing of what it failed on may be repeated.
    const mend = passphrase === undefined ? "is it whole?" : "is it whole, and the passphrase right?";
    throw unusable(path, `holds a private key that cannot be opened: ${mend}`);
  }
}

function isEncrypted(text: string): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text);
}

/**
 * Whose the file is, for the check of its mode. Kubernetes and systemd mount root's files, which a group of the service may
 * read; a file of our own is for us alone.
 */
async function ownerOf(path: string): Promise<"self" | "systemd"> {
  const self = process.geteuid?.();
  try {
    return (await stat(path)).uid === 0 && self !== 0 ? "systemd" : "self";
  } catch {
    // The reading that follows says what is wrong.
    return "self";
  }
}

function unusable(path: string, what: string): UpstreamError {
  return new UpstreamError("MCA_UPSTREAM_FILES_UNUSABLE", `${path} ${what}.`, { details: { path } });
}

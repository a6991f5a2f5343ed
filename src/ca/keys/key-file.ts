// One key file as text: PKCS#8 in PEM (RFC 7468 sections 10 and 11), "PRIVATE KEY" or "ENCRYPTED PRIVATE KEY", and nothing else in it.
// Errors name the file and never what is in it.
import { createPrivateKey, type KeyObject } from "node:crypto";
import type { RandomSource } from "../../runtime/index.ts";
import { decodePem, encodePem, X509Error } from "../../x509/index.ts";
import { KeyError } from "./errors.ts";
import type { Passphrase } from "./passphrase.ts";
import { sealPrivateKey, unsealPrivateKey } from "./pbes2.ts";

/** A key file that was read. */
export interface KeyFile {
  readonly path: string;
  readonly text: string;
}

const PLAIN = "PRIVATE KEY";
const SEALED = "ENCRYPTED PRIVATE KEY";

/** Whether this text says that it is a sealed key. */
export function isSealed(text: string): boolean {
  return text.includes(`-----BEGIN ${SEALED}-----`);
}

/** The text of a new key file, sealed where `sealing` is given. */
export async function encodeKeyFile(
  key: KeyObject,
  sealing: { readonly passphrase: Passphrase; readonly random: RandomSource } | undefined,
): Promise<string> {
  const der = key.export({ type: "pkcs8", format: "der" });
  if (sealing === undefined) return encodePem(PLAIN, der);
  const sealed = await sealPrivateKey(der, sealing.passphrase, sealing.random);
  der.fill(0);
  return encodePem(SEALED, sealed);
}

/**
 * The key of a file.
 * @param passphrase undefined for a file that is not sealed
 * @throws KeyError MCA_KEY_UNREADABLE, MCA_KEY_PASSPHRASE_WRONG
 */
export async function parseKeyFile(file: KeyFile, passphrase: Passphrase | undefined): Promise<KeyObject> {
  const der = onlyBlock(file, passphrase === undefined ? PLAIN : SEALED);
  if (passphrase === undefined) return parsePrivateKey(der, (cause) => unreadable(file, "no key is in it", cause));
  const unsealed = await unsealPrivateKey(der, passphrase);
  switch (unsealed.kind) {
    case "opened":
      // One wrong passphrase in 256 leaves a padding that looks right, and nonsense before it.
      return parsePrivateKey(unsealed.key, () => wrongPassphrase(file));
    case "wrong-passphrase":
      throw wrongPassphrase(file);
    case "unreadable":
      throw unreadable(file, unsealed.reason);
  }
}

function onlyBlock(file: KeyFile, label: string): Uint8Array {
  try {
    const [block, ...others] = decodePem(file.text);
    if (block?.label === label && others.length === 0) return block.der;
  } catch (error) {
    if (!(error instanceof X509Error)) throw error;
    throw unreadable(file, error.message, error);
  }
  throw unreadable(file, `one PEM block "${label}" and nothing else belongs there`);
}

function parsePrivateKey(der: Uint8Array, errorFor: (cause: unknown) => KeyError): KeyObject {
  const copy = Buffer.from(der);
  try {
    return createPrivateKey({ key: copy, format: "der", type: "pkcs8" });
  } catch (error) {
    throw errorFor(error);
  } finally {
    copy.fill(0);
    der.fill(0);
  }
}

function wrongPassphrase(file: KeyFile): KeyError {
  return new KeyError(
    "MCA_KEY_PASSPHRASE_WRONG",
    `The passphrase does not open ${file.path} (or that file is damaged). Put the passphrase that it was sealed with into the passphrase's file, or restore the key file from its backup.`,
    { details: { path: file.path } },
  );
}

function unreadable(file: KeyFile, reason: string, cause?: unknown): KeyError {
  return new KeyError(
    "MCA_KEY_UNREADABLE",
    `The file ${file.path} holds no readable PKCS#8 key: ${reason}. Restore it from its backup.`,
    // OpenSSL's error names no key material, but the text that it failed on stays out of it.
    { cause, details: { path: file.path } },
  );
}

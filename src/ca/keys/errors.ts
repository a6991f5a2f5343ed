// Errors of the key stores.
import { MeshCaError, type MeshCaErrorOptions } from "../../runtime/index.ts";

/** Codes of {@link KeyError}. */
export type KeyErrorCode =
  | "MCA_KEY_STORE_INSECURE"
  | "MCA_KEY_STORE_UNAVAILABLE"
  | "MCA_KEY_NOT_FOUND"
  | "MCA_KEY_UNREADABLE"
  | "MCA_KEY_MISMATCH"
  | "MCA_KEY_ALGORITHM_UNSUPPORTED"
  | KeyPassphraseErrorCode;

/** What keeps a sealed key shut. */
export type KeyPassphraseErrorCode = "MCA_KEY_PASSPHRASE_MISSING" | "MCA_KEY_PASSPHRASE_WRONG";

/** A private key cannot be kept, found or used safely. Never carries key material. */
export class KeyError extends MeshCaError<KeyErrorCode> {
  constructor(code: KeyErrorCode, sentence: string, options: MeshCaErrorOptions = {}) {
    super(code, sentence, options);
  }
}

// The passphrase that seals key files, and where it comes from: a private file, or a credential of systemd. It is read anew each time,
// so that a mended file counts at once. Like a key it never prints what it is, and no error or log line may carry it.
import { createHash, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";
import { KeyError } from "./errors.ts";
import { type FileOwner, readPrivatePath } from "./private-files.ts";

/** Where the passphrase is. */
export type PassphraseSource =
  | { readonly kind: "file" /** Mode 0600, owned by this user. */; readonly path: string }
  | { readonly kind: "credential" /** Below systemd's $CREDENTIALS_DIRECTORY. */; readonly path: string };

const MAX_PASSPHRASE_BYTES = 1024;

/** A passphrase in memory. */
export class Passphrase {
  readonly #bytes: Buffer;

  /** @param text without the line's end */
  constructor(text: string) {
    this.#bytes = Buffer.from(text, "utf8");
  }

  /** Lends the octets (UTF-8) to a key derivation, which must not keep them. */
  use<T>(derive: (bytes: Uint8Array) => T): T {
    return derive(this.#bytes);
  }

  equals(other: Passphrase): boolean {
    return timingSafeEqual(digest(this.#bytes), digest(other.#bytes));
  }

  toString(): string {
    return "[passphrase]";
  }

  toJSON(): string {
    return "[passphrase]";
  }

  [inspect.custom](): string {
    return "[passphrase]";
  }
}

/**
 * Reads the passphrase: the one line of its file.
 * @throws KeyError MCA_KEY_PASSPHRASE_MISSING where there is none, MCA_KEY_STORE_INSECURE where others could read it
 */
export async function readPassphrase(source: PassphraseSource): Promise<Passphrase> {
  const text = await readPrivatePath(source.path, OWNERS[source.kind], "passphrase");
  if (text === undefined) {
    throw missing(source, "is not there");
  }
  const line = text.replace(/\r?\n$/, "");
  if (line === "") throw missing(source, "is empty");
  if (/[\r\n\0]/.test(line)) throw missing(source, "has more than one line");
  if (Buffer.byteLength(line) > MAX_PASSPHRASE_BYTES) {
    throw missing(source, `holds more than ${MAX_PASSPHRASE_BYTES} bytes`);
  }
  return new Passphrase(line);
}

/** systemd gives credentials to the service's user by an access list, which shows as root's file with group read. */
const OWNERS: Readonly<Record<PassphraseSource["kind"], FileOwner>> = { file: "self", credential: "systemd" };

function missing(source: PassphraseSource, what: string): KeyError {
  const mend =
    source.kind === "file"
      ? "Write the passphrase into it, one line, mode 0600, or name the right file (keys.passphraseFile)."
      : "Give the service its credential again (LoadCredentialEncrypted=mesh-ca-key-passphrase), one line.";
  return new KeyError("MCA_KEY_PASSPHRASE_MISSING", `The passphrase file ${source.path} ${what}. ${mend}`, {
    details: { path: source.path },
  });
}

function digest(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

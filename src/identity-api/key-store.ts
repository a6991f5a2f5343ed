// Opens the key store that the configuration names. A passphrase comes from keys.passphraseFile, else from the credential of systemd.
import { FileKeyStore, type PassphraseSource } from "../ca/index.ts";
import { type Logger, type RandomSource, systemdCredential } from "../runtime/index.ts";
import type { Config } from "./config/index.ts";
import { dataDirOf } from "./data-dir.ts";

/** The name of the credential that systemd hands over. */
const PASSPHRASE_CREDENTIAL = "mesh-ca-key-passphrase";

/**
 * The authorities' keys of this replica.
 * @throws KeyError MCA_KEY_STORE_INSECURE, MCA_KEY_STORE_UNAVAILABLE; ConfigError. A passphrase that is missing is told when a key is
 *   made or opened, so that a server with a bad one starts, answers, and takes up the mended one.
 */
export function openKeyStore(
  config: Config,
  dependencies: { readonly random: RandomSource; readonly logger: Logger },
): Promise<FileKeyStore> {
  const passphrase = passphraseSource(config);
  const { random, logger } = dependencies;
  return FileKeyStore.open({
    directory: dataDirOf(config).keys,
    sealing: passphrase === undefined ? undefined : { passphrase, random },
    logger,
  });
}

function passphraseSource(config: Config): PassphraseSource | undefined {
  if (config.keys.passphraseFile !== null) return { kind: "file", path: config.keys.passphraseFile };
  const credential = systemdCredential(PASSPHRASE_CREDENTIAL);
  return credential === undefined ? undefined : { kind: "credential", path: credential };
}

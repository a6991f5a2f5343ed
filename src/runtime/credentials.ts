// Credentials that systemd gives to a service (systemd.exec(5), LoadCredentialEncrypted=): files in a folder of their own, which
// $CREDENTIALS_DIRECTORY names. Only their paths are told here; what they hold is read by whoever needs it.
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The path of a credential by name; undefined where the service was given none of this name. */
export function systemdCredential(name: string): string | undefined {
  const directory = process.env["CREDENTIALS_DIRECTORY"];
  if (directory === undefined || directory === "") return undefined;
  const path = join(directory, name);
  return existsSync(path) ? path : undefined;
}

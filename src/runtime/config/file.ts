// Configuration and policy files: YAML 1.2, one document, no duplicate keys, no aliases, no tags of its own, at most 1 MiB.
import { readFile, stat } from "node:fs/promises";
import { parseDocument } from "yaml";
import { ConfigError } from "./errors.ts";

const MAX_FILE_BYTES = 1_048_576;

/**
 * Reads and parses a file.
 * @param option where its path comes from, as errors name it: an option, or a key of the configuration
 * @throws ConfigError MCA_CONFIG_UNREADABLE, _TOO_LARGE, _MALFORMED
 */
export async function readConfigFile(path: string, option = "--config"): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw tooLarge(path, size);
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
    throw new ConfigError(
      "MCA_CONFIG_UNREADABLE",
      `${path} cannot be read (${reason}). Check the path in ${option}: a relative one begins at the working directory, ${process.cwd()}; and whether this user may read it.`,
      { cause: error, details: { path } },
    );
  }
  return parseConfigText(text, path);
}

/** Parses YAML text; `name` is used in errors. Throws ConfigError. */
export function parseConfigText(text: string, name: string): unknown {
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) throw tooLarge(name, Buffer.byteLength(text));
  const document = parseDocument(text, { strict: true, uniqueKeys: true, prettyErrors: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) throw malformed(name, (problem.message.split("\n")[0] ?? "").replace(/:$/, ""), problem);
  try {
    return document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch (error) {
    throw malformed(name, "aliases (*name) are not supported; write the value out", error);
  }
}

function tooLarge(name: string, bytes: number): ConfigError {
  return new ConfigError(
    "MCA_CONFIG_TOO_LARGE",
    `${name} has ${bytes} bytes; at most ${MAX_FILE_BYTES} are read. Is it the right file? A server's rules can be moved to the API (npx mesh-ca rule apply).`,
  );
}

function malformed(name: string, reason: string, cause: unknown): ConfigError {
  return new ConfigError("MCA_CONFIG_MALFORMED", `${name} is not valid YAML: ${reason}. Mend it there.`, {
    cause,
  });
}

// The configuration file: YAML 1.2, one document, no duplicate keys, no aliases, no tags of its own, at most 1 MiB.
import { readFile, stat } from "node:fs/promises";
import { parseDocument } from "yaml";
import { ConfigError } from "./errors.ts";

const MAX_FILE_BYTES = 1_048_576;

/** Reads and parses the file. Throws ConfigError MCA_CONFIG_UNREADABLE, _TOO_LARGE, _MALFORMED. */
export async function readConfigFile(path: string): Promise<unknown> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw tooLarge(path, size);
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      "MCA_CONFIG_UNREADABLE",
      `The configuration file ${path} cannot be read. Give its path with --config, or make it readable for this user.`,
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
    `The configuration file ${name} has ${bytes} bytes; at most ${MAX_FILE_BYTES} are read. Move rules to the API (npx mesh-ca rule apply).`,
  );
}

function malformed(name: string, reason: string, cause: unknown): ConfigError {
  return new ConfigError("MCA_CONFIG_MALFORMED", `The configuration file ${name} is not valid YAML: ${reason}`, {
    cause,
  });
}

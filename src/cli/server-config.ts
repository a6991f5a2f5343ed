// Which configuration a command of this machine's server means: --config FILE, else mesh-ca.yaml of the data directory. Flags win
// over the environment, the environment over the file.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { type Config, defaultDataDir, loadConfig } from "../identity-api/index.ts";
import { ConfigError } from "../runtime/config/index.ts";
import { collect, parsePairs } from "./parse.ts";

export interface ConfigOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly set: readonly string[];
  /** Of `init`, `server` and `config check`: the same as --set database.urlFile=FILE. */
  readonly databaseUrlFile?: string;
}

export const CONFIG_FILE_NAME = "mesh-ca.yaml";

/** Adds --config, --data-dir and --set. */
export function addConfigOptions(command: Command): Command {
  return command
    .option(
      "-c, --config <file>",
      "configuration file (or MESH_CA_CONFIG); default: mesh-ca.yaml in the data directory",
    )
    .option("--data-dir <dir>", "data directory; default: /var/lib/mesh-ca for root, else ~/.local/share/mesh-ca")
    .option("--set <key=value>", "one setting, for example --set listen.grpc.port=9443 (repeatable)", collect, []);
}

/** Adds the options above and --database-url-file. */
export function addServerConfigOptions(command: Command): Command {
  return addConfigOptions(command).option(
    "--database-url-file <file>",
    "file with the URL of an own PostgreSQL (database.urlFile); default: the embedded one",
  );
}

/** The data directory that the options mean, before any configuration is read. */
export function dataDirFor(options: Pick<ConfigOptions, "dataDir">): string {
  return options.dataDir ?? process.env["MESH_CA_DATA_DIR"] ?? defaultDataDir(process.env, process.getuid?.() ?? -1);
}

/** The file that will be read; undefined: there is none, and everything comes from environment and flags. */
export function configFileFor(options: ConfigOptions): string | undefined {
  const named = options.config ?? process.env["MESH_CA_CONFIG"];
  if (named !== undefined) return named;
  const file = join(dataDirFor(options), CONFIG_FILE_NAME);
  return existsSync(file) ? file : undefined;
}

/** Loads the configuration; a data directory that nothing names is the default one. @throws ConfigError */
export async function configFor(options: ConfigOptions): Promise<Config & { readonly dataDir: string }> {
  const flags = parsePairs("--set", options.set);
  if (options.dataDir !== undefined) flags["dataDir"] = options.dataDir;
  if (options.databaseUrlFile !== undefined) flags["database.urlFile"] = options.databaseUrlFile;
  const file = configFileFor(options);
  const config = await loadConfig({ file, env: process.env, flags }).catch((error: unknown) => {
    throw file === undefined ? withoutFile(error, options) : error;
  });
  return { ...config, dataDir: config.dataDir ?? dataDirFor(options) };
}

/** Where there is no file, its absence is the cause and a missing trust domain only the first thing that shows. */
function withoutFile(error: unknown, options: ConfigOptions): unknown {
  if (!(error instanceof ConfigError) || error.details["path"] !== "trustDomain") return error;
  return new ConfigError(
    "MCA_CONFIG_MISSING",
    `There is no configuration: ${join(dataDirFor(options), CONFIG_FILE_NAME)} is not there, and neither environment nor flags name a trust domain. Create a trust domain (npx mesh-ca init; on a laptop with --development), or name the file (--config) or the data directory (--data-dir).`,
    { cause: error },
  );
}

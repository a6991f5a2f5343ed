// From a YAML file, the environment and flags to a checked Config. Flags win over the environment, the environment over the
// file. What would cause an outage is an error here, not a warning (invariant 4).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  applyEnvironment,
  applyFlags,
  ConfigError,
  type JsonSchema,
  publishJsonSchema,
  readConfigFile,
  refuseSecrets,
  renderConfigurationDocs as render,
  resolveConfig,
} from "../../runtime/config/index.ts";
import { checkConfig } from "./check.ts";
import { type Config, configSchema } from "./schema.ts";

/** Variables with our prefix that are not settings of the server: those of the command line program and of the tests. */
const OTHER_VARIABLES = new Set([
  "MESH_CA_CONFIG",
  "MESH_CA_SOCKET",
  "MESH_CA_SERVER",
  "MESH_CA_SVID",
  "MESH_CA_NODE",
  "MESH_CA_DEBUG",
  "MESH_CA_JOIN_TOKEN",
]);

export interface ConfigSources {
  /** Path of the YAML file. Undefined: none. */
  readonly file?: string | undefined;
  /** The environment; only names that begin with MESH_CA_ are read, and unknown ones of those are refused. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values from the command line by key path, for example {"listen.grpc.port": "9443"}. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** Reads, merges and checks. Throws ConfigError (MCA_CONFIG_*) that names the path and what to do. */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const file = sources.file === undefined ? {} : await readConfigFile(sources.file);
  refuseSecrets(file, schema);
  const withEnvironment = applyEnvironment(file, schema, sources.env, isOtherVariable);
  const config = parseConfig(applyFlags(withEnvironment, schema, sources.flags ?? {}));
  return { ...config, dataDir: config.dataDir ?? defaultDataDir(sources.env, process.getuid?.() ?? 0) };
}

/** Checks a plain object (as parsed from YAML) and fills in the defaults. Throws ConfigError. */
export function parseConfig(value: unknown): Config {
  // resolveConfig has checked every key against the schema that Config is derived from.
  const config = resolveConfig(schema, value) as Config;
  checkConfig(config);
  return config;
}

/** The data directory where none is configured: depends on who runs us. */
export function defaultDataDir(env: Readonly<Record<string, string | undefined>>, uid: number): string {
  if (uid === 0) return "/var/lib/mesh-ca";
  const dataHome = env["XDG_DATA_HOME"];
  if (dataHome?.startsWith("/")) return join(dataHome, "mesh-ca");
  const home = env["HOME"];
  if (home?.startsWith("/")) return join(home, ".local", "share", "mesh-ca");
  throw new ConfigError(
    "MCA_CONFIG_MISSING",
    "dataDir is missing, and neither XDG_DATA_HOME nor HOME is set. Set dataDir.",
  );
}

/** The URL of the external database, from the environment or from its file; undefined: embedded. Throws ConfigError. */
export async function databaseUrl(config: Config): Promise<string | undefined> {
  const { url, urlFile } = config.database;
  if (url !== null) return url;
  if (urlFile === null) return undefined;
  try {
    return (await readFile(urlFile, "utf8")).trim();
  } catch (error) {
    throw new ConfigError(
      "MCA_CONFIG_UNREADABLE",
      `database.urlFile ${urlFile} cannot be read. Create it, or make it readable for this user.`,
      {
        cause: error,
      },
    );
  }
}

/** The JSON Schema of the configuration file, as `mesh-ca config schema` prints it. */
export function configJsonSchema(): Record<string, unknown> {
  return publishJsonSchema(schema, "urn:mesh-ca:configuration:1");
}

/** The text of docs/configuration.md. */
export function renderConfigurationDocs(): string {
  return render(schema, {
    title: "Configuration",
    introduction: [
      "One YAML file, given with `--config`. Environment variables win over the file, flags (`--set key=value`) over both.",
      "Unknown keys and unknown `MESH_CA_` variables are refused. `mesh-ca config check` tries a file, `mesh-ca config schema`",
      "prints the JSON Schema.",
    ],
    environment: true,
  });
}

function isOtherVariable(name: string): boolean {
  return OTHER_VARIABLES.has(name) || name.startsWith("MESH_CA_TEST_");
}

// typebox's types hide the JSON Schema keywords that its values have; json-schema.ts names the subset that we write.
const schema = configSchema as unknown as JsonSchema;

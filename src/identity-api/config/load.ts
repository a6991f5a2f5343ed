// From a YAML file, the environment and flags to a checked Config. Flags win over the environment, the environment over the file.
import type { Config } from "./schema.ts";

export interface ConfigSources {
  /** Path of the YAML file. Undefined: none. */
  readonly file?: string | undefined;
  /** The environment; only names that begin with MESH_CA_ are read, and unknown ones of those are refused. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Values from the command line by key path, for example {"listen.grpc.port": "9443"}. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** Reads, merges and checks. Throws ConfigError (MCA_CONFIG_*) that names the path and what to do. */
export async function loadConfig(_sources: ConfigSources): Promise<Config> {
  throw new TypeError("not written yet");
}

/** Checks a plain object (as parsed from YAML) and fills in the defaults. */
export function parseConfig(_value: unknown): Config {
  throw new TypeError("not written yet");
}

/** The data directory where none is configured: depends on who runs us. */
export function defaultDataDir(_env: Readonly<Record<string, string | undefined>>, _uid: number): string {
  throw new TypeError("not written yet");
}

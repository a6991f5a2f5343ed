// Errors of reading a configuration. Each names the path of the key and says what to do.
import { MeshCaError } from "../errors.ts";

export type ConfigErrorCode =
  | "MCA_CONFIG_UNREADABLE"
  | "MCA_CONFIG_TOO_LARGE"
  | "MCA_CONFIG_MALFORMED"
  | "MCA_CONFIG_UNKNOWN_KEY"
  | "MCA_CONFIG_MISSING"
  | "MCA_CONFIG_INVALID"
  /** Something that is specified and not there yet. */
  | "MCA_CONFIG_UNSUPPORTED"
  | "MCA_CONFIG_SECRET_IN_FILE"
  | "MCA_CONFIG_UNSAFE";

export class ConfigError extends MeshCaError<ConfigErrorCode> {}

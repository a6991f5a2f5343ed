export { ConfigError, type ConfigErrorCode } from "./errors.ts";
export { parseConfigText, readConfigFile } from "./file.ts";
export { type JsonSchema, type SchemaShape, shapeOf } from "./json-schema.ts";
export {
  applyEnvironment,
  applyFlags,
  type ConfigKey,
  configKeys,
  ENVIRONMENT_PREFIX,
  refuseSecrets,
} from "./overrides.ts";
export { type ConfigurationPage, publishJsonSchema, renderConfigurationDocs } from "./publish.ts";
export { resolveConfig } from "./resolve.ts";
export { flag, integer, section, text, textMap, textOrNull, texts } from "./values.ts";

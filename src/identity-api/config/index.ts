export {
  type ConfigSources,
  configJsonSchema,
  databaseUrl,
  defaultDataDir,
  loadConfig,
  parseConfig,
  renderConfigurationDocs,
} from "./load.ts";
export { type AttestorConfig, type Config, configSchema, type RuleConfig } from "./schema.ts";

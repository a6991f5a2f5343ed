export { type ConfigSources, defaultDataDir, loadConfig, parseConfig } from "./load.ts";
export { type AttestorConfig, type Config, configSchema, type RuleConfig } from "./schema.ts";

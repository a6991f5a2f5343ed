export {
  type AttestorConfig,
  type Config,
  type ConfigSources,
  configJsonSchema,
  configSchema,
  defaultDataDir,
  loadConfig,
  parseConfig,
  type RuleConfig,
  renderConfigurationDocs,
} from "./config/index.ts";
export { CHECK_IDS, type CheckResult, type DoctorReport, examine } from "./doctor/index.ts";
export { type Initialised, type InitialiseOptions, type InitialRequest, initialise } from "./init.ts";
export { type MigrateDatabaseOptions, migrateDatabase } from "./migrate-database.ts";
export { type ListenAddress, type RunningServer, type ServerDependencies, startServer } from "./server.ts";

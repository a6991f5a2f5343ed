// From a YAML file to a checked ProxyConfig. The file is the only source: a proxy runs beside many applications, whose environments
// are theirs; what differs between two proxies stands in two files.
import {
  type JsonSchema,
  publishJsonSchema,
  readConfigFile,
  renderConfigurationDocs,
  resolveConfig,
} from "../../runtime/config/index.ts";
import { checkProxyConfig } from "./check.ts";
import type { ListenerConfig } from "./listeners.ts";
import { type ProxyConfig, proxyConfigSchema } from "./schema.ts";
import { refuseUnsupported } from "./unsupported.ts";

/** Reads and checks. Relative paths in it are relative to the working directory. @throws ConfigError (MCA_CONFIG_*) */
export async function loadProxyConfig(file: string): Promise<ProxyConfig> {
  return parseProxyConfig(await readConfigFile(file));
}

/** Checks a plain object (as parsed from YAML) and fills in the defaults. @throws ConfigError */
export function parseProxyConfig(value: unknown): ProxyConfig {
  refuseUnsupported(value);
  // resolveConfig has checked every key against the schema that ProxyConfig is derived from.
  const config = resolveConfig(schema, value) as ProxyConfig;
  checkProxyConfig(config, writtenListeners(value));
  return { ...config, listeners: config.listeners.map(withProtocol) };
}

/** The JSON Schema of the configuration file, as `mesh-ca proxy schema` prints it. */
export function proxyConfigJsonSchema(): Record<string, unknown> {
  return publishJsonSchema(schema, "urn:mesh-ca:proxy-configuration:1");
}

/** The text of docs/proxy-configuration.md. */
export function renderProxyConfigurationDocs(): string {
  return renderConfigurationDocs(schema, {
    title: "Configuration of the proxy",
    introduction: [
      "One YAML file; there are no environment variables and no flags beside it. Unknown",
      "keys are refused, and so is what is planned and not there yet. `mesh-ca proxy check` tries a file and says what it means,",
      "`mesh-ca proxy schema` prints its JSON Schema. Relative paths are relative to the working directory.",
    ],
    environment: false,
  });
}

function writtenListeners(value: unknown): unknown {
  return typeof value === "object" && value !== null && "listeners" in value ? value.listeners : undefined;
}

/** In plaintext there is no ALPN to ask: nothing is guessed, and auto is HTTP/1.1. */
function withProtocol(listener: ListenerConfig): ListenerConfig {
  if (listener.direction === "outbound" || listener.http.upstreamProtocol !== "auto") return listener;
  return { ...listener, http: { ...listener.http, upstreamProtocol: "http/1.1" } };
}

// typebox's types hide the JSON Schema keywords that its values have; json-schema.ts names the subset that we write.
const schema = proxyConfigSchema as unknown as JsonSchema;

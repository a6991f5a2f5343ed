export { describeProxyConfig } from "./describe.ts";
export type { HttpConfig, InboundConfig, ListenerConfig, OutboundConfig } from "./listeners.ts";
export { loadProxyConfig, parseProxyConfig, proxyConfigJsonSchema, renderProxyConfigurationDocs } from "./load.ts";
export type { ProxyConfig } from "./schema.ts";

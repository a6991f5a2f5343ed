// Rules between keys of the proxy's configuration. A setting that would expose something, or never work, is refused at start.
import { ConfigError } from "../../runtime/config/index.ts";
import { SpiffeError, TrustDomain } from "../../spiffe/index.ts";
import { checkHost } from "./addresses.ts";
import { checkCollisions, checkListeners, listeningPlace } from "./check-listeners.ts";
import { isLoopback } from "./loopback.ts";
import type { ProxyConfig } from "./schema.ts";

const SERVER = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+):(\d{1,5})$/;

/**
 * @param given the listeners as they were written
 * @throws ConfigError MCA_CONFIG_INVALID, MCA_CONFIG_UNSAFE
 */
export function checkProxyConfig(config: ProxyConfig, given: unknown): void {
  checkIdentity(config.identity);
  checkFederation(config.federation);
  checkListeners(config.listeners, given);
  checkAdmin(config.admin);
  checkCollisions([
    ...config.listeners.map((listener, index) => ({ path: `listeners[${index}]`, place: listeningPlace(listener) })),
    { path: "admin", place: { ...config.admin, path: null } },
  ]);
}

function checkIdentity(identity: ProxyConfig["identity"]): void {
  if (identity.kind === "files") {
    if ((identity.trustFile === null) !== (identity.bundleFile === null)) return;
    const found = identity.trustFile === null ? "neither" : "both";
    throw invalid("identity", `: set exactly one of trustFile and bundleFile (found ${found}).`);
  }
  const { server, joinTokenFile, jwtFile, attestor } = identity;
  if (joinTokenFile !== null && jwtFile !== null) {
    throw invalid("identity", ": joinTokenFile and jwtFile are both set. Leave one of them.");
  }
  if (attestor !== null && jwtFile === null) {
    throw invalid("identity.attestor", " is used only with jwtFile. Set it, or remove attestor.");
  }
  const port = Number(SERVER.exec(server ?? "localhost:1")?.[1] ?? "0");
  if (port < 1 || port > 65_535) {
    throw invalid(
      "identity.server",
      ` is ${JSON.stringify(server)}; it must be host:port, for example "ca.example.test:8443".`,
    );
  }
}

function checkFederation(federation: ProxyConfig["federation"]): void {
  const seen = new Set<string>();
  federation.forEach(({ trustDomain }, index) => {
    const path = `federation[${index}].trustDomain`;
    try {
      TrustDomain.parse(trustDomain);
    } catch (cause) {
      const reason = cause instanceof SpiffeError ? ` ${cause.message}` : "";
      throw invalid(path, ` is ${JSON.stringify(trustDomain)}; it must be the name of a trust domain.${reason}`, cause);
    }
    if (seen.has(trustDomain)) {
      throw invalid(path, ` is ${trustDomain}, which stands there already. Put all its anchors into one file.`);
    }
    seen.add(trustDomain);
  });
}

function checkAdmin({ host }: ProxyConfig["admin"]): void {
  checkHost(host, "admin.host");
  if (isLoopback(host)) return;
  throw new ConfigError(
    "MCA_CONFIG_UNSAFE",
    `admin.host is ${host}: it tells everything about this proxy to whoever asks. Take 127.0.0.1 or ::1.`,
    { details: { path: "admin.host" } },
  );
}

function invalid(path: string, sentence: string, cause?: unknown): ConfigError {
  return new ConfigError("MCA_CONFIG_INVALID", `${path}${sentence}`, { cause, details: { path } });
}

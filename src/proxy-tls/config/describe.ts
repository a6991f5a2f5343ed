// What a configuration means, in sentences for whoever is about to run it.
import { describePlace } from "./addresses.ts";
import type { InboundConfig, ListenerConfig, OutboundConfig } from "./listeners.ts";
import { isLoopback } from "./loopback.ts";
import type { ProxyConfig } from "./schema.ts";

/** One sentence a line; what deserves a second look begins with "Note:". */
export function describeProxyConfig(config: ProxyConfig): string[] {
  const inbound = config.listeners.filter(({ direction }) => direction === "inbound");
  return [
    ...describeIdentity(config.identity),
    ...config.federation.map(
      ({ trustDomain, bundleFile }) =>
        `Members of ${trustDomain} are verified by the anchors in ${bundleFile}, which is watched.`,
    ),
    ...config.listeners.flatMap(describeListener),
    ...(inbound.length > 0 && config.policyFile === null
      ? ["Note: there is no policyFile, so that every inbound connection and request is denied."]
      : []),
    config.workers === 1
      ? "Everything runs in one process."
      : `${config.workers === 0 ? "One worker process for each core shares" : `${config.workers} worker processes share`} the listeners.`,
    config.admin.port === 0
      ? `Health and metrics are at ${config.admin.host}, on a port that the system chooses.`
      : `Health and metrics are at http://${config.admin.host.includes(":") ? `[${config.admin.host}]` : config.admin.host}:${config.admin.port}/readyz and /metrics.`,
    `At SIGTERM work in flight may take ${config.drain.graceSeconds} s.`,
  ];
}

function describeIdentity(identity: ProxyConfig["identity"]): string[] {
  if (identity.kind === "files") {
    return [
      `Our identity is ${identity.certificateFile} with the key ${identity.keyFile}; both are watched.`,
      identity.trustFile === null
        ? `Our own trust domain is trusted by the anchors in ${identity.bundleFile}. Note: any CA below one of them can make members (rule X-16 is off).`
        : `Our own trust domain is trusted by ${identity.trustFile}.`,
    ];
  }
  const { server, stateDir, joinTokenFile, jwtFile } = identity;
  const evidence =
    joinTokenFile !== null
      ? `the join token in ${joinTokenFile}`
      : jwtFile !== null
        ? `the JWT in ${jwtFile}`
        : undefined;
  return [
    `Our identity comes from ${server ?? "the mesh-ca server that the token or the state directory names"}, and is kept in ${stateDir}.`,
    evidence === undefined
      ? "Note: there is no evidence to enrol with, so that the state directory must hold an identity."
      : `The first enrolment is by ${evidence}.`,
  ];
}

function describeListener(listener: ListenerConfig): string[] {
  return listener.direction === "inbound" ? describeInbound(listener) : describeOutbound(listener);
}

function describeInbound(listener: InboundConfig): string[] {
  const { name, host, port, target, protocol, http } = listener;
  const at = port === 0 ? `${host}, on a port that the system chooses,` : `${host} port ${port}`;
  const lines = [
    `${name}: takes mTLS${listener.minTlsVersion === "1.2" ? " (TLS 1.2 and 1.3)" : ""} at ${at} and forwards ${protocol === "tcp" ? "bytes" : "requests"} in plaintext to ${describePlace(target)}${protocol === "http" ? ` in ${protocolName(http.upstreamProtocol)}` : ""}.`,
  ];
  if (protocol === "http") {
    lines.push(
      listener.forwardedClientCert === "sanitize-set"
        ? `${name}: x-forwarded-client-cert tells the application who calls; what callers write there is removed.`
        : `${name}: x-forwarded-client-cert is removed, and the application is not told who calls.`,
      ...listener.hosts.map(
        ({ names }) =>
          `${name}: requests may be for ${names.join(" or ")}, from clients that asked for one of them in their handshake or for no name at all.`,
      ),
      ...relaxations(listener),
    );
  }
  if (target.port !== null && !isLoopback(target.host)) {
    lines.push(`Note: ${name} forwards in plaintext to another machine. Nothing protects that way.`);
  }
  return lines;
}

function describeOutbound(listener: OutboundConfig): string[] {
  const { name, listen, targets, expect, protocol, authorities, http } = listener;
  const where = targets.map(({ host, port }) => `${host} port ${port}`).join(" or ");
  const speaks =
    http.upstreamProtocol === "auto"
      ? "HTTP/2 or HTTP/1.1, as the target chooses"
      : protocolName(http.upstreamProtocol);
  const lines = [
    `${name}: takes plaintext of this machine at ${listen.port === 0 ? `${listen.host}, on a port that the system chooses,` : describePlace(listen)} and forwards ${protocol === "tcp" ? "bytes" : "requests"} over mTLS to ${where}${protocol === "http" ? ` in ${speaks}` : ""}.`,
    `${name}: nobody but ${expect.join(" or ")} is accepted there.`,
  ];
  if (protocol === "tcp") return lines;
  if (authorities.length > 0) lines.push(`${name}: requests must be for ${authorities.join(" or ")}.`);
  if (listener.allowBrowsers) lines.push(`Note: ${name} takes requests that browsers make for other pages.`);
  return [...lines, ...relaxations(listener)];
}

function relaxations({ name, http }: ListenerConfig): string[] {
  const relaxed = [
    ...(http.allowHttp10 ? ["HTTP/1.0"] : []),
    ...(http.allowBodyOnGet ? ["a body on GET"] : []),
    ...(http.allowUnderscores ? ["field names with _"] : []),
    ...http.relaxPath.map((rule) => `paths with ${rule}`),
  ];
  return [
    ...(relaxed.length > 0 ? [`Note: ${name} allows ${relaxed.join(", ")}.`] : []),
    ...(http.shareUpstream ? [`Note: ${name} lets different callers share a connection to the target.`] : []),
  ];
}

function protocolName(protocol: "http/1.1" | "h2" | "auto"): string {
  return protocol === "h2" ? "HTTP/2" : "HTTP/1.1";
}

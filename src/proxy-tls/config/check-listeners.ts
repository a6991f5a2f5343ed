// Rules between the keys of a listener. What would open a door that its operator believes to be shut is an error here.
import { ConfigError } from "../../runtime/config/index.ts";
import { SpiffeError, SpiffeId } from "../../spiffe/index.ts";
import { parseHost } from "../http/fields/host.ts";
import { mayTrail } from "../http/fields/roles.ts";
import { ServedHosts } from "../http/fields/served-hosts.ts";
import { checkHost, checkPlace, collide, describePlace, type Place } from "./addresses.ts";
import type { InboundConfig, ListenerConfig, OutboundConfig } from "./listeners.ts";
import { isLoopback } from "./loopback.ts";

/** Keys that mean nothing where bytes are only passed on: somebody who sets them believes that requests are read. */
const HTTP_KEYS = ["http", "forwardedClientCert", "hosts", "authorities", "allowBrowsers"] as const;

/**
 * Checks every listener, and all of them together.
 * @param given the list as it was written: which keys are really there
 * @throws ConfigError MCA_CONFIG_INVALID, MCA_CONFIG_UNSAFE
 */
export function checkListeners(listeners: readonly ListenerConfig[], given: unknown): void {
  const written: readonly unknown[] = Array.isArray(given) ? given : [];
  const names = new Map<string, string>();
  listeners.forEach((listener, index) => {
    const path = `listeners[${index}]`;
    const other = names.get(listener.name);
    if (other !== undefined) {
      throw invalid(
        `${path}.name`,
        `is "${listener.name}", as that of ${other}. Give each listener a name of its own.`,
      );
    }
    names.set(listener.name, path);
    if (listener.protocol === "tcp") refuseHttpKeys(written[index], path);
    if (listener.direction === "inbound") checkInbound(listener, path);
    else checkOutbound(listener, path);
    checkTrailers(listener, path);
  });
}

/** Where a listener listens. */
export function listeningPlace(listener: ListenerConfig): Place {
  return listener.direction === "inbound" ? { host: listener.host, port: listener.port, path: null } : listener.listen;
}

/** @throws ConfigError where two of the places are one */
export function checkCollisions(places: readonly { readonly path: string; readonly place: Place }[]): void {
  places.forEach((one, index) => {
    const other = places.slice(0, index).find(({ place }) => collide(place, one.place));
    if (other === undefined) return;
    throw invalid(one.path, `is ${describePlace(one.place)}, which ${other.path} takes already. Change one of them.`);
  });
}

function checkInbound(listener: InboundConfig, path: string): void {
  checkHost(listener.host, `${path}.host`);
  checkPlace(listener.target, `${path}.target`);
  ServedHosts.of(listener.hosts, (group, name, sentence) => {
    throw invalid(
      `${path}.hosts[${group}].names[${name}]`,
      `is ${JSON.stringify(listener.hosts[group]?.names[name])}. ${sentence}`,
    );
  });
  const { host, port } = listener.target;
  if (port === 0) throw invalid(`${path}.target.port`, "is 0. Name the port that the application listens on.");
  if (port === null || listener.allowRemoteTarget || isLoopback(host)) return;
  throw new ConfigError(
    "MCA_CONFIG_UNSAFE",
    `${path}.target.host is ${host}, which is not this machine: requests would leave it in plaintext, with the callers' names in them. Run the proxy beside the application, or set allowRemoteTarget: true.`,
    { details: { path: `${path}.target.host` } },
  );
}

function checkOutbound(listener: OutboundConfig, path: string): void {
  const { listen, protocol } = listener;
  checkPlace(listen, `${path}.listen`);
  if (listen.port !== null && !isLoopback(listen.host)) {
    throw new ConfigError(
      "MCA_CONFIG_UNSAFE",
      `${path}.listen.host is ${listen.host}: everybody who reaches it would speak in our name. Listen on 127.0.0.1, ::1 or a Unix socket.`,
      { details: { path: `${path}.listen.host` } },
    );
  }
  for (const [index, { host }] of listener.targets.entries()) checkHost(host, `${path}.targets[${index}].host`);
  for (const [index, id] of listener.expect.entries()) checkExpected(id, `${path}.expect[${index}]`);
  if (protocol !== "http") return;
  if (listen.port !== null && listener.authorities.length === 0) {
    throw new ConfigError(
      "MCA_CONFIG_UNSAFE",
      `${path}.authorities is empty: on a TCP port any page in a browser on this machine could send requests in our name. List the host[:port] that the application asks for, or listen on a Unix socket.`,
      { details: { path: `${path}.authorities` } },
    );
  }
  for (const [index, authority] of listener.authorities.entries())
    checkAuthority(authority, `${path}.authorities[${index}]`);
}

function checkExpected(text: string, path: string): void {
  try {
    if (SpiffeId.parse(text).path !== "") return;
  } catch (cause) {
    const reason = cause instanceof SpiffeError ? ` ${cause.message}` : "";
    throw invalid(path, `is ${JSON.stringify(text)}; it must be an exact SPIFFE ID.${reason}`, cause);
  }
  throw invalid(path, `is ${JSON.stringify(text)}, a trust domain. Name the workload: an ID with a path.`);
}

function checkAuthority(text: string, path: string): void {
  try {
    parseHost(text, 80);
  } catch (cause) {
    const sentence = `is ${JSON.stringify(text)}; it must be host or host:port, as it stands in a request's Host.`;
    throw invalid(path, sentence, cause);
  }
}

function checkTrailers({ http }: ListenerConfig, path: string): void {
  for (const key of ["requestTrailers", "responseTrailers"] as const) {
    http[key].forEach((name, index) => {
      if (mayTrail(name.toLowerCase())) return;
      throw invalid(
        `${path}.http.${key}[${index}]`,
        `is ${JSON.stringify(name)}; it must be the name of a field that means nothing in a head: it would never pass.`,
      );
    });
  }
}

function refuseHttpKeys(given: unknown, path: string): void {
  if (typeof given !== "object" || given === null) return;
  for (const key of HTTP_KEYS) {
    if (!Object.hasOwn(given, key)) continue;
    throw invalid(
      `${path}.${key}`,
      "has no meaning with protocol: tcp, where nothing is read. Remove it, or set protocol: http.",
    );
  }
}

function invalid(path: string, sentence: string, cause?: unknown): ConfigError {
  return new ConfigError("MCA_CONFIG_INVALID", `${path} ${sentence}`, { cause, details: { path } });
}

// Addresses in the configuration: which are two names of one place, which cannot be one at all.
import { isIP } from "node:net";
import { ConfigError } from "../../runtime/config/index.ts";

/** sun_path of Linux has 108 bytes with the final NUL; a longer path is cut off silently by some, refused by others. */
const MAX_SOCKET_PATH_BYTES = 107;
const HOST_NAME =
  /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*\.?$/;

/** A place as the configuration names it: a TCP port of a host, or a Unix socket. */
export interface Place {
  readonly host: string;
  readonly port: number | null;
  readonly path: string | null;
}

/** @throws ConfigError unless `host` is an address (IPv6 without brackets) or a host name */
export function checkHost(host: string, path: string): void {
  if (isIP(host) !== 0 || HOST_NAME.test(host)) return;
  throw new ConfigError(
    "MCA_CONFIG_INVALID",
    `${path} is ${JSON.stringify(host)}; it must be a host name or an address, without port, scheme or brackets.`,
    { details: { path } },
  );
}

/** Exactly one of port and path, and a path that the system can hold. @throws ConfigError MCA_CONFIG_INVALID */
export function checkPlace(place: Place, path: string): void {
  if ((place.port === null) === (place.path === null)) {
    const found = place.port === null ? "neither" : "both";
    throw new ConfigError("MCA_CONFIG_INVALID", `${path}: set exactly one of port and path (found ${found}).`, {
      details: { path },
    });
  }
  checkHost(place.host, `${path}.host`);
  if (place.path === null) return;
  if (place.path.includes("\0") || Buffer.byteLength(place.path) > MAX_SOCKET_PATH_BYTES) {
    throw new ConfigError(
      "MCA_CONFIG_INVALID",
      `${path}.path must be the path of a Unix socket of at most ${MAX_SOCKET_PATH_BYTES} bytes. Choose a shorter one.`,
      { details: { path: `${path}.path` } },
    );
  }
}

/** Whether two places cannot both be listened on. Port 0 is another one each time; a wildcard takes every address of its port. */
export function collide(a: Place, b: Place): boolean {
  if (a.path !== null || b.path !== null) return a.path === b.path;
  if (a.port !== b.port || a.port === 0) return false;
  return a.host === b.host || isWildcard(a.host) || isWildcard(b.host);
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** "127.0.0.1 port 8080", or "the Unix socket /run/app.sock". */
export function describePlace({ host, port, path }: Place): string {
  return path === null ? `${host} port ${port}` : `the Unix socket ${path}`;
}

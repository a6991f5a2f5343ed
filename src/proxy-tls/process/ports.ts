// What must be free before workers share it. They share TCP ports by SO_REUSEPORT, which asks nobody whether another program of the same
// user is there already; so the primary asks, once, before the first worker starts.
import { createServer } from "node:net";
import type { ListenerConfig } from "../config/listeners.ts";
import type { ProxyConfig } from "../config/schema.ts";
import { ProxyError } from "../errors.ts";
import type { BoundAddress } from "../listener/runtime.ts";
import { removeDeadSocket } from "../listener/unix-socket.ts";

/**
 * Removes Unix sockets of processes that have died, and makes sure that nobody listens on any port of the configuration.
 * @throws ProxyError MCA_PROXY_LISTEN_FAILED
 */
export async function requireFree(config: ProxyConfig): Promise<void> {
  for (const listener of config.listeners) {
    const { path, host, port } = listener.direction === "inbound" ? { ...listener, path: null } : listener.listen;
    if (path !== null) await removeDeadSocket(path);
    else if (port !== null && port !== 0) await requireFreePort(host, port);
  }
}

function requireFreePort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) =>
      reject(
        new ProxyError(
          "MCA_PROXY_LISTEN_FAILED",
          `Cannot listen on ${host} port ${port}: ${cause.message}. Is the port taken, or the address not of this machine?`,
          { cause },
        ),
      ),
    );
    // Without reusePort, and never through a cluster: it succeeds only where nobody else is.
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

/** Whether the system is to choose a port: then the first worker gets it, and the others take the same. */
export function leavesPortsOpen({ listeners }: ProxyConfig): boolean {
  return listeners.some((listener) => (listener.direction === "inbound" ? listener : listener.listen).port === 0);
}

/** The configuration with the ports that the system chose for the first worker: the others take the same. */
export function withBoundPorts(config: ProxyConfig, addresses: ReadonlyMap<string, BoundAddress>): ProxyConfig {
  return { ...config, listeners: config.listeners.map((listener) => withBoundPort(listener, addresses)) };
}

function withBoundPort(listener: ListenerConfig, addresses: ReadonlyMap<string, BoundAddress>): ListenerConfig {
  const port = addresses.get(listener.name)?.port;
  if (port === undefined) return listener;
  return listener.direction === "inbound"
    ? { ...listener, port }
    : { ...listener, listen: { ...listener.listen, port } };
}

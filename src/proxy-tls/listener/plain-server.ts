// A plaintext server of an outbound listener: loopback TCP, or a Unix socket that only its owner may open.
import { createServer, type Server, type Socket } from "node:net";
import { ProxyError } from "../errors.ts";
import type { BoundAddress } from "./runtime.ts";
import { listenOnUnixSocket } from "./unix-socket.ts";

const BACKLOG = 1_024;

export type PlainAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly reusePort: boolean }
  | { readonly kind: "unix"; readonly path: string };

export interface PlainServer {
  readonly address: BoundAddress;
  /** Takes no new connection, and removes the Unix socket. */
  close(): void;
}

/**
 * Opens a plaintext server. Its connections are half-open, with an error handler that does nothing.
 * @param onFault what the server itself fails with later
 * @throws ProxyError MCA_PROXY_LISTEN_FAILED
 */
export async function openPlainServer(
  address: PlainAddress,
  onConnection: (socket: Socket) => void,
  onFault: (error: unknown) => void,
): Promise<PlainServer> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => {});
    onConnection(socket);
  });
  if (address.kind === "unix") {
    await listenOnUnixSocket(server, address.path);
    server.on("error", onFault);
    return { address: { path: address.path }, close: () => void server.close() };
  }
  const bound = await listenOnTcp(server, address);
  server.on("error", onFault);
  return { address: bound, close: () => void server.close() };
}

function listenOnTcp(
  server: Server,
  { host, port, reusePort }: Extract<PlainAddress, { kind: "tcp" }>,
): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    const refused = (cause: Error): void =>
      reject(
        new ProxyError(
          "MCA_PROXY_LISTEN_FAILED",
          `Cannot listen on ${host} port ${port}: ${cause.message}. Is the port taken, or the address not of this machine?`,
          { cause },
        ),
      );
    server.once("error", refused);
    server.listen({ host, port, reusePort, backlog: BACKLOG }, () => {
      server.off("error", refused);
      const bound = server.address();
      if (bound === null || typeof bound === "string") throw new TypeError("a TCP server has an address and a port");
      resolve({ host: bound.address, port: bound.port });
    });
  });
}

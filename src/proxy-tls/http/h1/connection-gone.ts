// Whether the peer has reset a connection that is not being read. Node hears of a reset by reading; with its buffers full it does not read,
// and so holds on to an exchange that nobody waits for. The kernel knows: a connection that was reset has no peer any more.
//
// `_handle` is Node's own; a test notices when it is gone. (A FIN behind bytes that nobody reads cannot be told: the peer may still wait.)
import type { Socket } from "node:net";

/** How often a paused connection is looked at. */
export const PAUSED_CHECK_MS = 1_000;

/** Whether a connection was reset. False where it cannot be told: a Unix socket. */
export function isGone(socket: Socket): boolean {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return socket.destroyed;
  const getpeername: unknown = Reflect.get(handle, "getpeername");
  return typeof getpeername === "function" && Reflect.apply(getpeername, handle, [{}]) !== 0;
}

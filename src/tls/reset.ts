// Ends a connection so that the peer can never take it for a normal end. `destroy()` of a TLS socket sends FIN without close_notify,
// which Node and others report as an ordinary end of the stream; only a reset of the TCP connection below cannot be mistaken.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

const rawSockets = new WeakMap<Socket, Socket>();

/** Notes the TCP socket under a TLS socket. */
export function rememberRaw(socket: TLSSocket, raw: Socket): void {
  rawSockets.set(socket, raw);
}

/**
 * Resets a TCP connection, or the one under a TLS connection of ours; where there is none (a Unix socket) destroys it. What was
 * written and not yet sent is lost. Harmless on a socket that is destroyed.
 */
export function resetConnection(socket: Socket): void {
  if (socket.destroyed) return;
  const raw = rawSockets.get(socket) ?? socket;
  // A Unix socket has no reset, and says so by an error of its own; its peer has no address.
  if (raw.destroyed || raw.remotePort === undefined) socket.destroy();
  else raw.resetAndDestroy();
}

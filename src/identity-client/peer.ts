// Who may be at the other end of a connection. A decision by SPIFFE ID, made on every connection from the peer's own
// certificate (spec ..X-17); never by DNS name, address or `socket.authorized`.
import type { SpiffeId } from "../spiffe/index.ts";

/** One exact SPIFFE ID, several of them, or a function that decides. There is no "anybody": write a function that says so. */
export type PeerRule = string | readonly string[] | ((id: SpiffeId) => boolean);

/** The verified peer of a connection. */
export interface Peer {
  readonly id: SpiffeId;
  /** When the peer's certificate expires, Unix milliseconds. The connection is closed then. */
  readonly notAfter: number;
  /** Lower-case hex. */
  readonly serial: string;
}

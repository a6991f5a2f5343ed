// Who may be at the other end of a connection. A decision by SPIFFE ID, made on every connection from the peer's own
// certificate (spec ..X-17); never by DNS name, address or `socket.authorized`.
import { SpiffeError, SpiffeId, type VerifiedX509Svid } from "../spiffe/index.ts";
import type { Certificate } from "../x509/index.ts";
import { IdentityClientError } from "./errors.ts";

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

/** Judges a presented chain: returns the peer, or throws. */
export type PeerJudge = (chain: readonly Certificate[]) => Peer;

/**
 * Makes a judge of a rule. IDs are parsed here, so that a typing mistake shows at once and not as a refused connection.
 * @throws SpiffeError MCA_SPIFFE_ID_INVALID; IdentityClientError MCA_CLIENT_OPTIONS for an empty list
 */
export function peerJudge(rule: PeerRule, verify: (chain: readonly Certificate[]) => VerifiedX509Svid): PeerJudge {
  const accepts = acceptor(rule);
  return (chain) => {
    if (chain.length === 0) {
      throw new SpiffeError("MCA_SVID_INVALID", "The peer showed no certificate. Give it an identity of this mesh.");
    }
    const { id, leaf } = verify(chain);
    if (!accepts(id)) {
      throw new SpiffeError("MCA_PEER_ID_UNEXPECTED", `The peer is ${id.toString()}, which is not allowed here.`, {
        details: { peer: id.toString() },
      });
    }
    return { id, notAfter: leaf.notAfter, serial: leaf.serialHex };
  };
}

function acceptor(rule: PeerRule): (id: SpiffeId) => boolean {
  if (typeof rule === "function") return rule;
  const list = typeof rule === "string" ? [rule] : rule;
  if (list.length === 0) {
    throw new IdentityClientError("MCA_CLIENT_OPTIONS", "Name at least one SPIFFE ID that may be at the other end.");
  }
  const ids = new Set(list.map((text) => SpiffeId.parse(text).toString()));
  return (id) => ids.has(id.toString());
}

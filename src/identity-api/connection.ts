// One connection of a caller: what its certificate said at the handshake, and by which certificate it counts as authenticated
// since then. A connection over which a child was issued counts from then on as authenticated by that child, because the CSR
// proved possession of its key; it still ends when the first leaf ends (architecture.md, Lineage).
import type { Lineage } from "../ca/index.ts";
import type { Certificate } from "../x509/index.ts";
import type { PeerVerdict } from "./attest/index.ts";

/** The certificate by which a connection counts as authenticated. */
export interface PresentedLeaf {
  /** Lower-case hex. */
  readonly serial: string;
  /** Unix milliseconds. */
  readonly notAfter: number;
}

export class Connection {
  /** Network address, without the port; "local" for the admin socket. */
  readonly address: string;
  readonly #acceptedAt: number;
  #verdict: PeerVerdict;
  #adopted: PresentedLeaf | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** The lineage of the certificate, once it was looked up: it never changes over a lineage's life. */
  lineage: Lineage | undefined;

  constructor(verdict: PeerVerdict, address: string, acceptedAt: number) {
    this.#verdict = verdict;
    this.address = address;
    this.#acceptedAt = acceptedAt;
  }

  get verdict(): PeerVerdict {
    return this.#verdict;
  }

  /** After a change of trust the same chain is judged again. */
  rejudge(verdict: PeerVerdict): void {
    this.#verdict = verdict;
  }

  /** By which certificate the caller counts as authenticated now; undefined for callers without an SVID. */
  get presented(): PresentedLeaf | undefined {
    if (this.#adopted !== undefined) return this.#adopted;
    const { leaf } = this;
    return leaf === undefined ? undefined : { serial: leaf.serialHex, notAfter: leaf.notAfter };
  }

  /** The verified SVID that the peer showed at the handshake. */
  get leaf(): Certificate | undefined {
    const verdict = this.#verdict;
    return verdict.kind === "svid" || verdict.kind === "expired-svid" ? verdict.svid.leaf : undefined;
  }

  /** A child was issued over this connection: from now on it is the certificate that the caller presents. */
  adopt(leaf: PresentedLeaf): void {
    this.#adopted = leaf;
  }

  /** Runs renewals of one connection one after the other: each must see by which certificate the one before made it count. */
  inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(run, run);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** When this connection must end (Unix milliseconds); undefined: no certificate says so. */
  get endsAt(): number | undefined {
    return endOf(this.#verdict, this.#acceptedAt);
  }

  /** Whether it is known who the peer is: by a certificate, or by the local socket. */
  get identified(): boolean {
    return this.#verdict.kind !== "anonymous" && this.#verdict.kind !== "refused";
  }

  /** How the peer is called in the log and as a requester. */
  get peerName(): string {
    return nameOf(this.#verdict);
  }
}

/** A peer whose certificate has expired gets this long to renew it. */
const EXPIRED_PEER_MS = 60_000;

function endOf(verdict: PeerVerdict, acceptedAt: number): number | undefined {
  switch (verdict.kind) {
    case "svid":
      return verdict.svid.leaf.notAfter;
    case "enterprise":
      return verdict.path.path[0]?.notAfter;
    case "expired-svid":
      return acceptedAt + EXPIRED_PEER_MS;
    case "anonymous":
    case "local":
    case "refused":
      return undefined;
  }
}

function nameOf(verdict: PeerVerdict): string {
  switch (verdict.kind) {
    case "svid":
    case "expired-svid":
      return verdict.svid.id.toString();
    case "enterprise":
      return verdict.requester;
    case "anonymous":
    case "local":
    case "refused":
      return verdict.kind;
  }
}

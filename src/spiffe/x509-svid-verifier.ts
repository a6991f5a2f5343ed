import type { Certificate } from "../x509/index.ts";
import type { SpiffeId } from "./spiffe-id.ts";
import type { TrustSet } from "./trust-set.ts";

/** An X509-SVID whose chain was verified: obtainable only from X509SvidVerifier. */
export class VerifiedX509Svid {
  readonly id: SpiffeId;
  readonly leaf: Certificate;
  /** The certificate whose key signed the leaf. */
  readonly issuer: Certificate;
  /** Leaf ... anchor. */
  readonly path: readonly Certificate[];
  readonly #verified = true;

  constructor(id: SpiffeId, path: readonly Certificate[], leaf: Certificate, issuer: Certificate) {
    this.id = id;
    this.path = path;
    this.leaf = leaf;
    this.issuer = issuer;
  }

  static is(value: unknown): value is VerifiedX509Svid {
    return typeof value === "object" && value !== null && #verified in value;
  }
}

export class X509SvidVerifier {
  readonly trust: TrustSet;
  constructor(trust: TrustSet) {
    this.trust = trust;
  }
  /** Verifies a presented chain, leaf first, at a time (Unix milliseconds). */
  verify(_chain: readonly Certificate[], _time: number): VerifiedX509Svid {
    throw new TypeError("being written");
  }
  /** Like verify, for a probe certificate, which verify refuses. Used by the CA to try a new authority. */
  verifyProbe(_chain: readonly Certificate[], _time: number): VerifiedX509Svid {
    throw new TypeError("being written");
  }
}

/** Throws MCA_PEER_ID_UNEXPECTED unless the verified peer is exactly `expected`. */
export function expectPeer(_svid: VerifiedX509Svid, _expected: SpiffeId): void {
  throw new TypeError("being written");
}

/** Throws MCA_PEER_ID_UNEXPECTED unless the verified peer is exactly the mesh-ca server of its trust domain. */
export function expectServer(_svid: VerifiedX509Svid): void {
  throw new TypeError("being written");
}

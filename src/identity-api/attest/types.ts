// Evidence that was established, and what the connection's certificate says about the peer.

import type { MeshCaError } from "../../runtime/index.ts";
import type { VerifiedX509Svid } from "../../spiffe/index.ts";
import type { ValidatedPath } from "../../x509/index.ts";
import type { Attributes } from "../registry/index.ts";

/** Evidence that an attestor checked. Attribute names carry the instance: "k8s-prod.namespace". */
export interface EstablishedEvidence {
  /** The attestor instance. */
  readonly attestor: string;
  readonly kind: "join-token" | "jwt" | "x509";
  readonly attributes: Attributes;
  /** As recorded: "token:<id>", "jwt:<instance>:<sub>", "x509:<instance>:<serial>". */
  readonly requester: string;
  /** Join tokens only: redeemed inside the ledger's transaction. */
  readonly token?: {
    readonly secretSha256: Uint8Array;
    /** Revision of the rules when the token was made; see RuleSet.enrol. */
    readonly rulesRevision: bigint;
  };
}

/** What the TLS client certificate of a connection says. Decided once for each connection, at its handshake. */
export type PeerVerdict =
  /** No client certificate. */
  | { readonly kind: "anonymous" }
  /** The local admin socket. */
  | { readonly kind: "local" }
  /** A valid SVID of our trust domain. */
  | { readonly kind: "svid"; readonly svid: VerifiedX509Svid }
  /** An SVID of ours that was valid one second before it expired. Good for renewal after expiry, and for nothing else. */
  | { readonly kind: "expired-svid"; readonly svid: VerifiedX509Svid; readonly expiredAt: number }
  /** A certificate of a configured enterprise PKI: evidence for enrolment, never an identity of ours. */
  | {
      readonly kind: "enterprise";
      readonly attestor: string;
      readonly path: ValidatedPath;
      readonly attributes: Attributes;
      readonly requester: string;
    }
  /** A certificate was presented, and none of the above. */
  | { readonly kind: "refused"; readonly error: MeshCaError };

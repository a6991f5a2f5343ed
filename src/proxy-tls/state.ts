// What the data plane works with at a moment: the identity it shows, whom it trusts, and what is allowed. One place (the primary
// process) holds it and hands it on to every worker; a change replaces the whole, so that nothing is ever half new.
import type { TlsIdentity } from "../tls/index.ts";
import type { PeerVerifier } from "./identity/peer-verifier.ts";
import type { PolicySet } from "./policy/policy-set.ts";

export interface ProxyState {
  /** Grows with every change. */
  readonly revision: number;
  /** Grows when the identity changes: upstream connections of an older one are drained. */
  readonly identityRevision: number;
  /** Grows when trust changes (bundles, authorities, revocations): open connections are judged again. */
  readonly trustRevision: number;
  /** Grows when policies change: what is open is decided again. */
  readonly policyRevision: number;
  /** Our own SPIFFE ID, as XFCC's `By` tells it; empty while there is no identity. */
  readonly ownId: string;
  readonly identity: TlsIdentity | undefined;
  readonly peers: PeerVerifier;
  readonly policies: PolicySet;
}

/** Where the present state comes from. */
export interface StateSource {
  current(): ProxyState;
  /** Calls `listener` after each change; returns how to stop. */
  onChange(listener: () => void): () => void;
}

// All configured attestor instances behind one object: evidence in, established attributes out.
import type { Database } from "../../ca/index.ts";
import type { Clock, Logger } from "../../runtime/index.ts";
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";
import type { AttestorDescription } from "../registry/index.ts";
import type { AttestorConfig } from "./config.ts";
import type { EstablishedEvidence, PeerVerdict } from "./types.ts";

export interface AttestorDependencies {
  readonly trustDomain: TrustDomain;
  /** The current trust set (AuthorityManager.trustSet). */
  readonly trust: () => TrustSet;
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Tests only: JWKS and discovery over plain http, and only to a loopback address. */
  readonly insecureLoopback?: boolean;
}

export interface AttestorHealth {
  readonly attestor: string;
  readonly kind: AttestorConfig["kind"];
  /** Undefined: nothing to complain about. Else one sentence. */
  readonly problem: string | undefined;
}

export interface Attestors {
  /** The configured instances, as rules need to know them. */
  readonly descriptions: readonly AttestorDescription[];
  /** The join-token instance's name; undefined where none is configured. */
  readonly joinTokenInstance: string | undefined;
  /** Looks a join token up. It is redeemed later, inside the ledger's transaction. Throws AttestError MCA_TOKEN_*. */
  joinToken(text: string): Promise<EstablishedEvidence>;
  /** Verifies a JWT. `attestor` empty: the only instance whose issuer matches. Throws AttestError MCA_JWT_*, MCA_JWKS_UNAVAILABLE. */
  jwt(evidence: { readonly token: string; readonly attestor: string }): Promise<EstablishedEvidence>;
  /** The enterprise certificate of the connection as evidence. Throws AttestError MCA_EVIDENCE_MISSING, or the verdict's own error. */
  x509(verdict: PeerVerdict): EstablishedEvidence;
  /** Judges the chain that the peer presented (leaf first; [] is anonymous). Never throws. */
  judgePeer(chain: readonly Certificate[]): PeerVerdict;
  health(): readonly AttestorHealth[];
}

/** Reads the configured instances; throws AttestError MCA_ATTESTOR_INVALID with what to mend. Starts nothing in the background. */
export async function createAttestors(
  _configs: Readonly<Record<string, AttestorConfig>>,
  _dependencies: AttestorDependencies,
): Promise<Attestors> {
  throw new TypeError("not written yet");
}

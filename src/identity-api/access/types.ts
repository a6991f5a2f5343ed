// Who calls, and what the access table answered.
import type { PeerVerdict } from "../attest/index.ts";
import type { Role } from "../registry/index.ts";

/** Who calls: the connection's verdict, and what the current rules say to it. */
export interface Caller {
  readonly verdict: PeerVerdict;
  /** Roles by the current rules (see rolesOf); empty for everybody without a lineage. */
  readonly roles: ReadonlySet<Role>;
  /** Why the break-glass socket is used (metadata `mca-reason`); only the local socket needs one. */
  readonly reason?: string | undefined;
  /** A development trust domain: its socket asks for no reason. */
  readonly development: boolean;
}

/** A decision with its reason (invariant 5). */
export type AccessDecision =
  | {
      readonly kind: "allowed";
      readonly reason: string;
      /** How the caller counts: for the ledger's access.* entries and the log. */
      readonly as: string;
      /** True when the local socket was used for a method that otherwise needs a role: log it as an alarm. */
      readonly breakGlass: boolean;
    }
  | {
      readonly kind: "denied";
      readonly reason: string;
      readonly code: "MCA_UNAUTHENTICATED" | "MCA_FORBIDDEN" | "MCA_REASON_REQUIRED";
    };

// Who calls, and what the access table answered.
import type { MeshCaError } from "../../runtime/index.ts";
import type { PeerVerdict } from "../attest/index.ts";
import type { Role } from "../registry/index.ts";
import type { AccessErrorCode } from "./errors.ts";

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

export interface AllowedAccess {
  readonly kind: "allowed";
  readonly reason: string;
  /** By what the caller counts: a role, or the kind of its verdict. For the ledger's access.* entries and the log. */
  readonly as: string;
  /** The local socket of a production trust domain did what otherwise needs a role: log it as an alarm. */
  readonly breakGlass: boolean;
}

/** A decision with its reason (invariant 5). */
export type AccessDecision =
  | AllowedAccess
  | {
      readonly kind: "denied";
      readonly reason: string;
      readonly code: AccessErrorCode;
      /** The peer's certificate was refused, and why. */
      readonly cause?: MeshCaError;
    };

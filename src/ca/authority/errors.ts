// Errors of the authority room.
import { MeshCaError, type MeshCaErrorOptions } from "../../runtime/index.ts";
import type { KeyPassphraseErrorCode } from "../keys/index.ts";

/** Codes of {@link AuthorityError}. The first group says why nothing is issued (invariant 2). */
export type AuthorityErrorCode =
  | "MCA_AUTHORITY_MISSING"
  | "MCA_AUTHORITY_KEY_MISSING"
  | "MCA_AUTHORITY_KEY_MISMATCH"
  | "MCA_AUTHORITY_KEY_REFUSED"
  | KeyPassphraseErrorCode
  | "MCA_AUTHORITY_CERTIFICATE_INVALID"
  | "MCA_AUTHORITY_NOT_YET_VALID"
  | "MCA_AUTHORITY_EXPIRED"
  | "MCA_TRUST_DOMAIN_MISMATCH"
  | "MCA_ISSUER_EXPIRING"
  | "MCA_AUTHORITY_AWAITING_SIGNATURE"
  | "MCA_AUTHORITY_UPSTREAM_REVOKED"
  | "MCA_AUTHORITY_NOT_ACTIVE"
  // Administration of authorities.
  | "MCA_ALREADY_INITIALISED"
  | "MCA_AUTHORITY_TRANSITION"
  | "MCA_AUTHORITY_TOO_EARLY"
  | "MCA_AUTHORITY_UNKNOWN"
  | "MCA_AUTHORITY_UNHEALTHY"
  | "MCA_AUTHORITY_UPSTREAM_KIND"
  | "MCA_AUTHORITY_PROBE_FAILED"
  | "MCA_AUTHORITY_NO_SUCCESSOR"
  | "MCA_ANCHOR_UNKNOWN"
  | "MCA_ANCHOR_IN_USE"
  | "MCA_CLOCK_SKEW"
  | "MCA_ROTATION_IMPOSSIBLE";

/** Something about an authority keeps mesh-ca from doing what was asked. */
export class AuthorityError extends MeshCaError<AuthorityErrorCode> {
  constructor(code: AuthorityErrorCode, sentence: string, options: MeshCaErrorOptions = {}) {
    super(code, sentence, options);
  }
}

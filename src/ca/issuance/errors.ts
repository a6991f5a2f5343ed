// Errors of the issuance room.
import { MeshCaError, type MeshCaErrorOptions } from "../../runtime/index.ts";

/** Codes of {@link IssuanceError}. */
export type IssuanceErrorCode =
  // The CSR.
  | "MCA_CSR_KEY_REFUSED"
  | "MCA_CSR_SPIFFE_ID_MISMATCH"
  | "MCA_CSR_URI_SANS"
  // What was asked for.
  | "MCA_TTL_TOO_SHORT"
  | "MCA_ID_RESERVED"
  | "MCA_DNS_NAME_INVALID"
  // The server's own state.
  | "MCA_CLOCK_SKEW"
  | "MCA_REPLAY_UNSIGNED"
  // A bug or an attack: nothing was signed, or what was signed is not handed out.
  | "MCA_LINT_FAILED"
  | "MCA_SIGNED_BYTES_DIFFER";

/** An identity is not issued, and why. */
export class IssuanceError extends MeshCaError<IssuanceErrorCode> {
  constructor(code: IssuanceErrorCode, sentence: string, options: MeshCaErrorOptions = {}) {
    super(code, sentence, options);
  }
}

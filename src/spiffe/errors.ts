// The errors of src/spiffe: what may be wrong with an identity, a certificate that carries one, or the trust it is judged by.
import { MeshCaError } from "../runtime/index.ts";

export type SpiffeErrorCode =
  | "MCA_SPIFFE_ID_INVALID"
  | "MCA_TRUST_DOMAIN_INVALID"
  | "MCA_SVID_INVALID"
  | "MCA_SVID_UNTRUSTED"
  | "MCA_SVID_EXPIRED"
  | "MCA_SVID_NOT_YET_VALID"
  | "MCA_SVID_REVOKED"
  | "MCA_PEER_ID_UNEXPECTED"
  | "MCA_BUNDLE_INVALID"
  | "MCA_TRUST_FILE_INVALID"
  | "MCA_TOKEN_MALFORMED";

/** Bad input to src/spiffe. `details.rule` names the rule (`X-1`, `B-4`, ...) where one was broken. */
export class SpiffeError extends MeshCaError<SpiffeErrorCode> {}

// What the attestors refuse. The sentence never repeats a token, a claim's value beyond what the caller needs, or a key.
import { MeshCaError } from "../../runtime/index.ts";

export type AttestErrorCode =
  /** The attestor's configuration is wrong; the server does not start with it. */
  | "MCA_ATTESTOR_INVALID"
  /** No attestor instance of that name or kind. */
  | "MCA_ATTESTOR_UNKNOWN"
  /** No evidence in the request, and no client certificate on the connection. */
  | "MCA_EVIDENCE_MISSING"
  /** The evidence is sound, but cannot be used as it is. */
  | "MCA_EVIDENCE_REFUSED"
  | "MCA_TOKEN_MALFORMED"
  /** The join token was made by another trust domain. */
  | "MCA_TOKEN_FOREIGN"
  | "MCA_TOKEN_UNKNOWN"
  | "MCA_TOKEN_VOIDED"
  | "MCA_TOKEN_EXPIRED"
  /** A redeemed token cannot be voided. */
  | "MCA_TOKEN_REDEEMED"
  /** A join token was asked for that cannot be made: attributes or lifetime out of bounds. */
  | "MCA_TOKEN_INVALID"
  | "MCA_JWT_MALFORMED"
  | "MCA_JWT_TOO_LARGE"
  | "MCA_JWT_ALGORITHM"
  /** No key of the issuer has this `kid` and fits the algorithm. */
  | "MCA_JWT_KEY_UNKNOWN"
  | "MCA_JWT_SIGNATURE"
  | "MCA_JWT_EXPIRED"
  | "MCA_JWT_NOT_YET_VALID"
  | "MCA_JWT_TOO_OLD"
  | "MCA_JWT_NO_EXPIRY"
  | "MCA_JWT_AUDIENCE"
  | "MCA_JWT_ISSUER"
  | "MCA_JWKS_UNAVAILABLE"
  /** The client certificate of the connection cannot be used: neither our SVID nor of a configured enterprise PKI. */
  | "MCA_PEER_REFUSED"
  /** A cursor that this server did not make. */
  | "MCA_QUERY_INVALID";

export class AttestError extends MeshCaError<AttestErrorCode> {}

// Errors of the service itself: what is wrong with a call, or with the server's ability to answer it.
import { MeshCaError } from "../runtime/index.ts";

export type ApiErrorCode =
  // The call.
  | "MCA_REQUEST_INVALID"
  | "MCA_MESSAGE_TOO_LARGE"
  | "MCA_METHOD_UNKNOWN"
  | "MCA_ENCODING_UNSUPPORTED"
  | "MCA_DEADLINE_EXCEEDED"
  | "MCA_REQUEST_TIMEOUT"
  /** Of the standard services: no such service, no such symbol. */
  | "MCA_NOT_FOUND"
  | "MCA_TRUST_DOMAIN_UNKNOWN"
  | "MCA_NOT_RENEWABLE"
  | "MCA_SVID_UNRECORDED"
  | "MCA_RULE_QUOTA_EXCEEDED"
  | "MCA_WATCH_TOO_SLOW"
  // The same over HTTPS.
  | "MCA_METHOD_NOT_ALLOWED"
  | "MCA_HEADERS_TOO_LARGE"
  | "MCA_BUNDLE_UNAVAILABLE"
  // The server.
  | "MCA_OVERLOADED"
  | "MCA_SHUTTING_DOWN"
  | "MCA_NOT_ISSUING"
  // Setting up.
  | "MCA_NOT_INITIALISED"
  | "MCA_DATA_DIR_UNUSABLE"
  | "MCA_LISTEN_FAILED"
  | "MCA_REPLICA_IN_USE";

export class ApiError extends MeshCaError<ApiErrorCode> {}

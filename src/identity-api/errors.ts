// The one table: which gRPC status, HTTP status and log level each MCA_ code has, and whether its sentence is for callers.
// Nothing else maps errors. An error that is not ours, or has no row, becomes MCA_INTERNAL and tells nothing of what went wrong
// inside. The type makes a row mandatory for every code of every room that a request can meet.
import { type ServiceError, status } from "@grpc/grpc-js";
import type {
  AuthorityErrorCode,
  IssuanceErrorCode,
  KeyErrorCode,
  LedgerErrorCode,
  StoreErrorCode,
  UpstreamErrorCode,
} from "../ca/index.ts";
import type { ConfigErrorCode } from "../runtime/config/index.ts";
import { MeshCaError } from "../runtime/index.ts";
import type { SpiffeErrorCode } from "../spiffe/index.ts";
import type { TlsErrorCode } from "../tls/index.ts";
import type { X509ErrorCode } from "../x509/index.ts";
import type { AccessErrorCode } from "./access/errors.ts";
import type { ApiErrorCode } from "./api-error.ts";
import type { AttestErrorCode } from "./attest/errors.ts";
import { errorMetadata } from "./error-details.ts";
import type { RegistryErrorCode } from "./registry/errors.ts";

/** Every code that the server can raise, at a request or at its start. MCA_INTERNAL stands for whatever is not a MeshCaError. */
export type KnownErrorCode =
  | "MCA_INTERNAL"
  | ApiErrorCode
  | ConfigErrorCode
  | AccessErrorCode
  | AttestErrorCode
  | RegistryErrorCode
  | IssuanceErrorCode
  | AuthorityErrorCode
  | KeyErrorCode
  | UpstreamErrorCode
  | LedgerErrorCode
  | StoreErrorCode
  | SpiffeErrorCode
  | TlsErrorCode
  | X509ErrorCode;

export interface ErrorRow {
  /** gRPC status number. */
  readonly grpc: number;
  readonly http: number;
  readonly level: "info" | "warn" | "error";
  /** False: the sentence speaks of the server's inside (paths, databases, keys) and goes to the log only. */
  readonly forCallers: boolean;
}

const row = (grpc: number, http: number, level: ErrorRow["level"], forCallers = true): ErrorRow => ({
  grpc,
  http,
  level,
  forCallers,
});

// What a row says, by what happened.
const invalid = row(status.INVALID_ARGUMENT, 400, "info");
const unauthenticated = row(status.UNAUTHENTICATED, 401, "info");
/** Unauthenticated in a way that honest callers do not produce. */
const suspicious = row(status.UNAUTHENTICATED, 401, "warn");
const denied = row(status.PERMISSION_DENIED, 403, "info");
const notFound = row(status.NOT_FOUND, 404, "info");
const conflict = row(status.FAILED_PRECONDITION, 409, "info");
const retry = row(status.ABORTED, 409, "info");
const exhausted = row(status.RESOURCE_EXHAUSTED, 429, "warn");
const unavailable = row(status.UNAVAILABLE, 503, "error");
/** Unavailable for a reason that only the operator may read. */
const broken = row(status.UNAVAILABLE, 503, "error", false);
const setup = row(status.FAILED_PRECONDITION, 500, "error", false);
const internal = row(status.INTERNAL, 500, "error", false);

/** Code to gRPC status, HTTP status and log level. */
export const errorTable: Readonly<Record<KnownErrorCode, ErrorRow>> = {
  // The API itself
  MCA_INTERNAL: internal,
  MCA_REQUEST_INVALID: invalid,
  MCA_MESSAGE_TOO_LARGE: row(status.RESOURCE_EXHAUSTED, 413, "info"),
  MCA_METHOD_UNKNOWN: row(status.UNIMPLEMENTED, 404, "info"),
  MCA_ENCODING_UNSUPPORTED: row(status.UNIMPLEMENTED, 415, "info"),
  MCA_REQUEST_TIMEOUT: row(status.DEADLINE_EXCEEDED, 504, "info"),
  MCA_DEADLINE_EXCEEDED: row(status.DEADLINE_EXCEEDED, 504, "warn"),
  MCA_TRUST_DOMAIN_UNKNOWN: notFound,
  MCA_NOT_RENEWABLE: conflict,
  MCA_SVID_UNRECORDED: row(status.FAILED_PRECONDITION, 409, "error"),
  MCA_RULE_QUOTA_EXCEEDED: exhausted,
  MCA_WATCH_TOO_SLOW: row(status.UNAVAILABLE, 503, "info"),
  MCA_METHOD_NOT_ALLOWED: row(status.UNIMPLEMENTED, 405, "info"),
  MCA_HEADERS_TOO_LARGE: row(status.RESOURCE_EXHAUSTED, 431, "info"),
  MCA_BUNDLE_UNAVAILABLE: row(status.UNAVAILABLE, 503, "warn"),
  MCA_OVERLOADED: row(status.UNAVAILABLE, 503, "warn"),
  MCA_SHUTTING_DOWN: row(status.UNAVAILABLE, 503, "info"),
  MCA_NOT_ISSUING: unavailable,
  // Setting up and starting: printed by the command line, never sent
  MCA_NOT_INITIALISED: setup,
  MCA_DATA_DIR_UNUSABLE: setup,
  MCA_LISTEN_FAILED: setup,
  MCA_REPLICA_IN_USE: setup,
  MCA_ATTESTOR_INVALID: setup,
  MCA_CONFIG_UNREADABLE: setup,
  MCA_CONFIG_TOO_LARGE: setup,
  MCA_CONFIG_MALFORMED: setup,
  MCA_CONFIG_UNKNOWN_KEY: setup,
  MCA_CONFIG_MISSING: setup,
  MCA_CONFIG_INVALID: setup,
  MCA_CONFIG_UNSUPPORTED: setup,
  MCA_CONFIG_SECRET_IN_FILE: setup,
  MCA_CONFIG_UNSAFE: setup,
  // Access
  MCA_UNAUTHENTICATED: unauthenticated,
  MCA_FORBIDDEN: row(status.PERMISSION_DENIED, 403, "warn"),
  MCA_REASON_REQUIRED: conflict,
  // Attestation
  MCA_ATTESTOR_UNKNOWN: invalid,
  MCA_EVIDENCE_MISSING: unauthenticated,
  MCA_EVIDENCE_REFUSED: denied,
  MCA_TOKEN_MALFORMED: invalid,
  MCA_TOKEN_FOREIGN: unauthenticated,
  MCA_TOKEN_UNKNOWN: suspicious,
  MCA_TOKEN_VOIDED: unauthenticated,
  MCA_TOKEN_EXPIRED: unauthenticated,
  MCA_TOKEN_REDEEMED: suspicious,
  MCA_TOKEN_INVALID: invalid,
  MCA_JWT_MALFORMED: invalid,
  MCA_JWT_TOO_LARGE: invalid,
  MCA_JWT_ALGORITHM: suspicious,
  MCA_JWT_KEY_UNKNOWN: unauthenticated,
  MCA_JWT_SIGNATURE: suspicious,
  MCA_JWT_EXPIRED: unauthenticated,
  MCA_JWT_NOT_YET_VALID: unauthenticated,
  MCA_JWT_TOO_OLD: unauthenticated,
  MCA_JWT_NO_EXPIRY: unauthenticated,
  MCA_JWT_AUDIENCE: unauthenticated,
  MCA_JWT_ISSUER: unauthenticated,
  MCA_JWKS_UNAVAILABLE: unavailable,
  MCA_PEER_REFUSED: unauthenticated,
  MCA_QUERY_INVALID: invalid,
  // Rules
  MCA_RULE_INVALID: invalid,
  MCA_RULE_NAME_TAKEN: row(status.ALREADY_EXISTS, 409, "info"),
  MCA_RULE_READ_ONLY: conflict,
  MCA_RULE_NOT_FOUND: notFound,
  MCA_RULES_DIFFER: broken,
  MCA_NO_RULE_MATCHES: denied,
  MCA_RULE_ATTRIBUTE_REFUSED: row(status.PERMISSION_DENIED, 403, "warn"),
  MCA_RULE_NEWER_THAN_TOKEN: denied,
  MCA_RULE_GONE: denied,
  MCA_RULE_INACTIVE: denied,
  MCA_RULE_CHANGED: retry,
  MCA_RENEWAL_RULE_MISMATCH: denied,
  MCA_RENEWAL_ID_CHANGED: denied,
  MCA_RENEWAL_TOO_LATE: unauthenticated,
  MCA_LINEAGE_TOO_OLD: unauthenticated,
  // Issuance
  MCA_CSR_MALFORMED: invalid,
  MCA_CSR_TOO_LARGE: invalid,
  MCA_CSR_SIGNATURE_INVALID: row(status.INVALID_ARGUMENT, 400, "warn"),
  MCA_CSR_KEY_REFUSED: invalid,
  MCA_CSR_SPIFFE_ID_MISMATCH: denied,
  MCA_CSR_URI_SANS: invalid,
  MCA_TTL_TOO_SHORT: conflict,
  MCA_ID_RESERVED: denied,
  MCA_DNS_NAME_INVALID: conflict,
  MCA_CLOCK_SKEW: unavailable,
  MCA_REPLAY_UNSIGNED: retry,
  MCA_LINT_FAILED: internal,
  MCA_SIGNED_BYTES_DIFFER: internal,
  // Authorities, their keys and where their certificates come from
  MCA_AUTHORITY_MISSING: broken,
  MCA_AUTHORITY_KEY_MISSING: broken,
  MCA_AUTHORITY_KEY_MISMATCH: broken,
  MCA_AUTHORITY_KEY_REFUSED: broken,
  MCA_AUTHORITY_CERTIFICATE_INVALID: broken,
  MCA_AUTHORITY_NOT_YET_VALID: broken,
  MCA_AUTHORITY_EXPIRED: broken,
  MCA_AUTHORITY_NOT_ACTIVE: broken,
  MCA_AUTHORITY_TRANSITION: conflict,
  MCA_AUTHORITY_TOO_EARLY: conflict,
  MCA_AUTHORITY_UNKNOWN: notFound,
  MCA_AUTHORITY_UNHEALTHY: conflict,
  MCA_AUTHORITY_AWAITING_SIGNATURE: broken,
  MCA_AUTHORITY_UPSTREAM_REVOKED: broken,
  MCA_AUTHORITY_UPSTREAM_KIND: conflict,
  MCA_AUTHORITY_PROBE_FAILED: conflict,
  MCA_AUTHORITY_NO_SUCCESSOR: conflict,
  MCA_ANCHOR_UNKNOWN: notFound,
  MCA_ANCHOR_IN_USE: conflict,
  MCA_ALREADY_INITIALISED: conflict,
  MCA_ROTATION_IMPOSSIBLE: conflict,
  MCA_ISSUER_EXPIRING: unavailable,
  MCA_TRUST_DOMAIN_MISMATCH: broken,
  MCA_KEY_STORE_INSECURE: broken,
  MCA_KEY_STORE_UNAVAILABLE: broken,
  MCA_KEY_NOT_FOUND: broken,
  MCA_KEY_UNREADABLE: broken,
  MCA_KEY_MISMATCH: broken,
  MCA_KEY_ALGORITHM_UNSUPPORTED: broken,
  MCA_KEY_PASSPHRASE_MISSING: broken,
  MCA_KEY_PASSPHRASE_WRONG: broken,
  MCA_UPSTREAM_UNAVAILABLE: broken,
  MCA_UPSTREAM_CERTIFICATE_REFUSED: broken,
  MCA_UPSTREAM_FILES_UNUSABLE: broken,
  MCA_IMPORT_UNREADABLE: invalid,
  MCA_IMPORT_PRIVATE_KEY: row(status.INVALID_ARGUMENT, 400, "warn"),
  // Ledger and lineages
  MCA_LEDGER_UNAVAILABLE: unavailable,
  MCA_LEDGER_OVERLOADED: row(status.UNAVAILABLE, 503, "warn"),
  MCA_LEDGER_CORRUPT: broken,
  MCA_ENTRY_TOO_LARGE: invalid,
  MCA_ENTRY_INVALID: invalid,
  MCA_SERIAL_COLLISION: retry,
  MCA_LINEAGE_UNKNOWN: unauthenticated,
  MCA_LINEAGE_FROZEN: row(status.PERMISSION_DENIED, 403, "error"),
  MCA_QUOTA_EXCEEDED: exhausted,
  MCA_NOT_FOUND: notFound,
  // Database
  MCA_DATABASE_UNAVAILABLE: broken,
  MCA_DATABASE_INSECURE: broken,
  MCA_DATABASE_UNVERIFIED: broken,
  MCA_DATABASE_URL_INVALID: broken,
  MCA_DATABASE_FORBIDDEN: broken,
  MCA_DATABASE_NOT_INITIALISED: broken,
  MCA_DATABASE_INITIALISED: broken,
  MCA_DATABASE_STATEMENT: internal,
  MCA_DATA_DIR_IN_USE: broken,
  MCA_DATA_DIR_UNREACHABLE: broken,
  MCA_POSTGRES_FAILED: broken,
  MCA_SCHEMA_TOO_NEW: broken,
  MCA_SCHEMA_TOO_OLD: broken,
  // SPIFFE
  MCA_SPIFFE_ID_INVALID: invalid,
  MCA_TRUST_DOMAIN_INVALID: invalid,
  MCA_SVID_INVALID: unauthenticated,
  MCA_SVID_UNTRUSTED: suspicious,
  MCA_SVID_EXPIRED: unauthenticated,
  MCA_SVID_NOT_YET_VALID: unauthenticated,
  MCA_SVID_REVOKED: suspicious,
  MCA_PEER_ID_UNEXPECTED: denied,
  MCA_BUNDLE_INVALID: invalid,
  MCA_TRUST_FILE_INVALID: invalid,
  // TLS
  MCA_TLS_IDENTITY_MISSING: broken,
  MCA_TLS_IDENTITY_INVALID: broken,
  MCA_TLS_LISTEN_FAILED: broken,
  MCA_TLS_CONNECT_FAILED: broken,
  MCA_TLS_HANDSHAKE_FAILED: unauthenticated,
  MCA_TLS_TIMEOUT: unauthenticated,
  MCA_TLS_SESSION_RESUMED: suspicious,
  MCA_TLS_ALPN_REFUSED: invalid,
  MCA_TLS_CHAIN_INVALID: unauthenticated,
  MCA_TLS_OVERLOADED: row(status.UNAVAILABLE, 503, "warn"),
  MCA_TLS_PEER_EXPIRED: unauthenticated,
  // X.509
  MCA_PEM_MALFORMED: invalid,
  MCA_PKCS7_MALFORMED: invalid,
  MCA_DER_MALFORMED: invalid,
  MCA_CERTIFICATE_MALFORMED: invalid,
  MCA_KEY_MALFORMED: invalid,
  MCA_SIGNATURE_INVALID: unauthenticated,
  MCA_PATH_INVALID: unauthenticated,
  // Revocation of our own chain: told in /readyz and in the log, never sent
  MCA_CRL_MALFORMED: broken,
  MCA_CRL_UNUSABLE: broken,
  MCA_OCSP_MALFORMED: broken,
  MCA_OCSP_UNUSABLE: broken,
};

/** What a caller and the log get to see of an error. */
export interface DescribedError {
  readonly code: KnownErrorCode;
  /** gRPC status number. */
  readonly grpc: number;
  readonly http: number;
  readonly level: ErrorRow["level"];
  /** What the caller reads. The log has the error itself. */
  readonly sentence: string;
  /** Facts for the caller's program. */
  readonly details: Readonly<Record<string, string>>;
}

const INTERNAL_SENTENCE = "The server failed at this request. Its log tells why; the request ID finds the line.";
const BROKEN_SENTENCE =
  "The server cannot serve this right now, for a reason of its own. Its log and /readyz tell why.";

/** Looks the error's code up. Anything that is not a MeshCaError with a row becomes MCA_INTERNAL. */
export function describeError(error: unknown): DescribedError {
  if (!(error instanceof MeshCaError) || !isKnown(error.code)) {
    const { grpc, http, level } = errorTable.MCA_INTERNAL;
    return { code: "MCA_INTERNAL", grpc, http, level, sentence: INTERNAL_SENTENCE, details: {} };
  }
  const { grpc, http, level, forCallers } = errorTable[error.code];
  const common = { code: error.code, grpc, http, level };
  if (forCallers) return { ...common, sentence: error.message, details: error.details };
  return { ...common, sentence: grpc === status.INTERNAL ? INTERNAL_SENTENCE : BROKEN_SENTENCE, details: {} };
}

/** For gRPC handlers: status, sentence, and the trailers `mca-code` and `grpc-status-details-bin`. */
export function toServiceError(error: unknown): ServiceError {
  const described = describeError(error);
  const { details, metadata } = errorMetadata(described);
  return Object.assign(new Error(details), { name: "ServiceError", code: described.grpc, details, metadata });
}

function isKnown(code: string): code is KnownErrorCode {
  return Object.hasOwn(errorTable, code);
}

// The errors of src/tls: what may go wrong between the first packet and a verdict about the peer.
import { MeshCaError } from "../runtime/index.ts";

export type TlsErrorCode =
  | "MCA_TLS_IDENTITY_MISSING"
  | "MCA_TLS_LISTEN_FAILED"
  | "MCA_TLS_CONNECT_FAILED"
  | "MCA_TLS_HANDSHAKE_FAILED"
  | "MCA_TLS_TIMEOUT"
  | "MCA_TLS_SESSION_RESUMED"
  | "MCA_TLS_ALPN_REFUSED"
  | "MCA_TLS_CHAIN_INVALID";

/** A connection that was not made, or not accepted. */
export class TlsError extends MeshCaError<TlsErrorCode> {}

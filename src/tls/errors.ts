// The errors of src/tls: what may go wrong between the first packet and a verdict about the peer.
import { MeshCaError } from "../runtime/index.ts";

export type TlsErrorCode =
  /** There is no certificate to show, or it has expired. */
  | "MCA_TLS_IDENTITY_MISSING"
  /** Certificate and key cannot be used: unreadable, or not a pair. */
  | "MCA_TLS_IDENTITY_INVALID"
  | "MCA_TLS_LISTEN_FAILED"
  | "MCA_TLS_CONNECT_FAILED"
  | "MCA_TLS_HANDSHAKE_FAILED"
  | "MCA_TLS_TIMEOUT"
  /** Too many connections or handshakes, overall or from one address. */
  | "MCA_TLS_OVERLOADED"
  | "MCA_TLS_SESSION_RESUMED"
  | "MCA_TLS_ALPN_REFUSED"
  /** The peer's chain is too long or cannot be read. */
  | "MCA_TLS_CHAIN_INVALID"
  /** A connection was open for longer than its certificate is valid. */
  | "MCA_TLS_PEER_EXPIRED";

/** A connection that was not made, not accepted, or not kept. */
export class TlsError extends MeshCaError<TlsErrorCode> {}

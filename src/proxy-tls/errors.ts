// What goes wrong in the proxy itself. What a client sees is an HttpRefusal (http/refusal.ts).
import { MeshCaError } from "../runtime/index.ts";

export type ProxyErrorCode =
  /** Certificate, key or trust in the identity's files cannot be used, or do not belong together. */
  | "MCA_PROXY_IDENTITY_FILES"
  /** A federation file cannot be used. */
  | "MCA_PROXY_FEDERATION_FILE"
  /** A watched file cannot be read, or does not come to rest. */
  | "MCA_PROXY_FILE"
  /** A listener cannot be opened. */
  | "MCA_PROXY_LISTEN_FAILED"
  /** A policy says what can never match, matches by accident, or cannot be read. */
  | "MCA_PROXY_POLICY_INVALID"
  /** A policy does not fit the listeners that it is for. */
  | "MCA_PROXY_POLICY_CONFLICT"
  /** No connection to a target could be made. */
  | "MCA_PROXY_UPSTREAM_UNAVAILABLE"
  /** The target did not take the connection in time. */
  | "MCA_PROXY_UPSTREAM_TIMEOUT";

export class ProxyError extends MeshCaError<ProxyErrorCode> {}

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
  /** The listeners are not open yet. */
  | "MCA_PROXY_STARTING"
  /** The proxy is stopping: what is in flight is finished. */
  | "MCA_PROXY_STOPPING"
  /** A worker process does not come up. */
  | "MCA_PROXY_WORKER_DOWN"
  /** The command that the proxy is to run cannot be started. */
  | "MCA_PROXY_COMMAND"
  /** A policy says what can never match, matches by accident, or cannot be read. */
  | "MCA_PROXY_POLICY_INVALID"
  /** A policy does not fit the listeners that it is for. */
  | "MCA_PROXY_POLICY_CONFLICT"
  /** No connection to a target could be made. */
  | "MCA_PROXY_UPSTREAM_UNAVAILABLE"
  /** The target did not take the connection in time. */
  | "MCA_PROXY_UPSTREAM_TIMEOUT";

export class ProxyError extends MeshCaError<ProxyErrorCode> {}

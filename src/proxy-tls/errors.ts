// What goes wrong in the proxy itself. What a client sees is an HttpRefusal (http/refusal.ts).
import { MeshCaError } from "../runtime/index.ts";

export type ProxyErrorCode =
  /** Certificate, key or trust in the identity's files cannot be used, or do not belong together. */
  | "MCA_PROXY_IDENTITY_FILES"
  /** A federation file cannot be used. */
  | "MCA_PROXY_FEDERATION_FILE"
  /** A listener cannot be opened. */
  | "MCA_PROXY_LISTEN_FAILED";

export class ProxyError extends MeshCaError<ProxyErrorCode> {}

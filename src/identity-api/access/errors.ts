// What access control refuses.
import { MeshCaError } from "../../runtime/index.ts";

export type AccessErrorCode =
  /** The method asks for an identity, and the connection has none that counts. */
  | "MCA_UNAUTHENTICATED"
  /** The identity is known, and may not do this. */
  | "MCA_FORBIDDEN"
  /** The local socket is break-glass: it asks for a reason. */
  | "MCA_REASON_REQUIRED";

export class AccessError extends MeshCaError<AccessErrorCode> {}

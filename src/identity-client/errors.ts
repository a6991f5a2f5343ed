// The errors of the SDK. What the server refuses keeps the server's own code (ServerRefusal); everything else that can go
// wrong on this side has one of the codes below. No sentence ever contains a token, a key or a certificate.
import { MeshCaError, type MeshCaErrorCode, type MeshCaErrorOptions } from "../runtime/index.ts";

export type IdentityClientErrorCode =
  /** The options contradict each other or cannot be used. */
  | "MCA_CLIENT_OPTIONS"
  /** A file named in the options cannot be read, or holds nothing useful. */
  | "MCA_CLIENT_FILE"
  /** The server cannot be reached, or is not issuing for now. Trying again later helps. */
  | "MCA_SERVER_UNAVAILABLE"
  /** Whoever answers at the server's address is not the server that the token, trust file or state names. Nothing secret was sent. */
  | "MCA_SERVER_UNTRUSTED"
  /** The server's answer contradicts the request or the standard. */
  | "MCA_SERVER_ANSWER_INVALID"
  /** There is neither an identity to renew nor evidence to enrol with. */
  | "MCA_CLIENT_EVIDENCE_MISSING"
  /** The state directory, or a file in it, belongs to someone else or can be read by others. */
  | "MCA_CLIENT_STATE_INSECURE"
  /** Another process uses the state directory. */
  | "MCA_CLIENT_STATE_BUSY"
  /** A file in the state directory does not hold what was written there. */
  | "MCA_CLIENT_STATE_DAMAGED"
  /** The state directory cannot be written. */
  | "MCA_CLIENT_STATE_UNWRITABLE"
  /** There is no valid identity at this moment. */
  | "MCA_CLIENT_NO_SVID"
  /** This machine's clock and the server's differ so much that a fresh certificate is not valid here. */
  | "MCA_CLIENT_CLOCK"
  /** The peer of a connection broke it off, or did not answer in time. */
  | "MCA_PEER_UNREACHABLE"
  /** The source was closed. */
  | "MCA_CLIENT_CLOSED";

/** Something that went wrong on this side of the Identity API. */
export class IdentityClientError extends MeshCaError<IdentityClientErrorCode> {}

/** The server refused: `code` is the server's, `grpcStatus` the number of the gRPC status that came with it. */
export class ServerRefusal extends MeshCaError {
  readonly grpcStatus: number;

  constructor(code: MeshCaErrorCode, sentence: string, grpcStatus: number, options: MeshCaErrorOptions = {}) {
    super(code, sentence, options);
    this.grpcStatus = grpcStatus;
  }
}

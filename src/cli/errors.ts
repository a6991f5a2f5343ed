// What is wrong with how the program was called, in the words of whoever called it.
import { MeshCaError } from "../runtime/index.ts";

export type CliErrorCode =
  /** An option or argument cannot be read, or two contradict each other. */
  | "MCA_CLI_USAGE"
  /** A file named on the command line cannot be read or written. */
  | "MCA_CLI_FILE"
  /** `mesh-ca demo`: something that must happen did not. */
  | "MCA_DEMO_FAILED"
  /** `mesh-ca demo`: stopped by a signal. */
  | "MCA_DEMO_INTERRUPTED";

export class CliError extends MeshCaError<CliErrorCode> {}

// The one table: which gRPC status, HTTP status and log level each MCA_ code of all rooms has, and how an error reaches a
// caller. Nothing else maps errors. An error that is not ours becomes MCA_INTERNAL and tells nothing of what went wrong inside.
import type { ServiceError } from "@grpc/grpc-js";

/** What a caller and the log get to see of an error. */
export interface DescribedError {
  readonly code: string;
  /** gRPC status number. */
  readonly grpc: number;
  readonly http: number;
  readonly level: "info" | "warn" | "error";
  /** What the caller reads. */
  readonly sentence: string;
  readonly details: Readonly<Record<string, string>>;
}

/** Looks the error's code up. Anything that is not a MeshCaError with a code of the table becomes MCA_INTERNAL. */
export function describeError(_error: unknown): DescribedError {
  throw new TypeError("not written yet");
}

/** For gRPC handlers: status, sentence, and the trailers `mca-code` and `grpc-status-details-bin`. */
export function toServiceError(_error: unknown): ServiceError {
  throw new TypeError("not written yet");
}

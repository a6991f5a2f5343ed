// What a failed call means: the server's own code and sentence from the trailers (`mca-code`), or a fault on the way.
import { type ServiceError, status } from "@grpc/grpc-js";
import { MeshCaError, type MeshCaErrorCode } from "../runtime/index.ts";
import { IdentityClientError, ServerRefusal } from "./errors.ts";

/** Characters of a status text that are shown. */
const MAX_SHOWN = 300;
const CODE = /^MCA_[A-Z0-9_]{1,64}$/;

/** The stable code that the server put into the trailers, if it did. */
function parseTrailerCode(error: ServiceError): MeshCaErrorCode | undefined {
  const value = error.metadata?.get("mca-code")[0];
  // The pattern proves the template literal type.
  return typeof value === "string" && CODE.test(value) ? (value as MeshCaErrorCode) : undefined;
}

/**
 * Turns a gRPC error into ours. `verdict` is why our own verifier refused the server on this channel, if it did: it outranks
 * the "connection failed" that gRPC makes of it. An error of ours passes through unchanged.
 */
export function fromServiceError(error: unknown, address: string, verdict?: Error): MeshCaError {
  if (error instanceof MeshCaError) return error;
  if (!isServiceError(error)) {
    if (verdict !== undefined) return untrusted(address, verdict);
    return new IdentityClientError("MCA_SERVER_UNAVAILABLE", `The call to ${address} failed. Try again.`, {
      cause: error,
    });
  }
  const code = parseTrailerCode(error);
  if (code !== undefined) return new ServerRefusal(code, plain(error.details), error.code, { cause: error });
  if (verdict !== undefined) return untrusted(address, verdict);
  switch (error.code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.RESOURCE_EXHAUSTED:
    case status.ABORTED:
    case status.CANCELLED:
      return new IdentityClientError(
        "MCA_SERVER_UNAVAILABLE",
        `The server at ${address} does not answer (${oneLine(error.details)}). Check that it runs and that the address is right.`,
        { cause: error },
      );
    default:
      return new IdentityClientError(
        "MCA_SERVER_ANSWER_INVALID",
        `The server at ${address} answered in an unexpected way (gRPC status ${error.code}: ${oneLine(error.details)}). Check that it is a mesh-ca server of this version.`,
        { cause: error },
      );
  }
}

function untrusted(address: string, verdict: Error): IdentityClientError {
  return new IdentityClientError(
    "MCA_SERVER_UNTRUSTED",
    `Whoever answers at ${address} did not prove to be the expected server: ${verdict.message}`,
    { cause: verdict },
  );
}

/** What a log line says of a failure that is expected to pass: no stack. */
export function reasonFields(error: unknown): { readonly code: string; readonly reason: string } {
  if (error instanceof MeshCaError) return { code: error.code, reason: error.message };
  return { code: "internal", reason: error instanceof Error ? error.message : String(error) };
}

/** Whether trying the same again later can help. */
export function isTransient(error: Error): boolean {
  if (error instanceof ServerRefusal) {
    return TRANSIENT_STATUSES.has(error.grpcStatus);
  }
  if (error instanceof IdentityClientError) {
    return error.code === "MCA_SERVER_UNAVAILABLE";
  }
  return false;
}

const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.CANCELLED,
]);

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "details" in error;
}

/** What somebody wrote who may not even be verified, without what could steer a terminal or begin a line of its own. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll(/[\p{Cc}\p{Cf}]/gu, "\u{fffd}");
}

/** gRPC wraps the reason of a failed connection in words of its own. */
function oneLine(text: string): string {
  const line = plain(text.slice(0, 4 * MAX_SHOWN)).slice(0, MAX_SHOWN);
  return /Last error: (?:Error: )?(.+?)\.* Resolution note/.exec(line)?.[1] ?? line;
}

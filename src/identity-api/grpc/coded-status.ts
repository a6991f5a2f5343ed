// Every refused call carries a code, also where it is refused before a handler sees it.
import { ApiError } from "../api-error.ts";
import { toServiceError } from "../errors.ts";
import type { CallStatus } from "./wire/method.ts";

/** An error as the status of a call. Of one that is none of ours nothing is told but that it was. */
export function statusFor(error: unknown): CallStatus {
  const { code, details, metadata } = toServiceError(error);
  return { code, details, metadata };
}

/** The caller's name of a method is none of ours. */
export function methodUnknown(): ApiError {
  return new ApiError(
    "MCA_METHOD_UNKNOWN",
    "This server has no such method. Compare the versions of client and server, or ask its reflection service.",
  );
}

/** A request that is none of gRPC. */
export function notGrpc(method: string): ApiError {
  return method === "POST"
    ? new ApiError("MCA_REQUEST_INVALID", "This port speaks gRPC: send content-type application/grpc.")
    : new ApiError("MCA_METHOD_NOT_ALLOWED", "This port speaks gRPC: send POST.");
}

/** A request that breaks the rules of HTTP/2; its stream was reset. */
export function malformedRequest(reason: string): ApiError {
  return new ApiError("MCA_REQUEST_INVALID", `The request is malformed: ${reason}.`);
}

export function headTooLarge(): ApiError {
  return new ApiError("MCA_HEADERS_TOO_LARGE", "The request's headers are larger than this server takes. Send fewer.");
}

/** A value of grpc-timeout that says nothing. */
export function timeoutUnreadable(): ApiError {
  return new ApiError(
    "MCA_REQUEST_INVALID",
    "grpc-timeout cannot be read. Send up to eight digits and one of H, M, S, m, u and n.",
  );
}

/** A connection's requests and answers wait for their peer. */
export function connectionHoldsTooMuch(): ApiError {
  return new ApiError(
    "MCA_OVERLOADED",
    "This connection has too much under way that is not whole, or was not read. Read the answers, and send fewer at a time.",
  );
}

/** A request whose rest has not come in time. */
export function requestTimedOut(): ApiError {
  return new ApiError(
    "MCA_REQUEST_TIMEOUT",
    "The request was begun and did not come to its end in time. Send it whole (limits.requestTimeoutSeconds).",
  );
}

/** A call whose own deadline has passed. */
export function deadlineExceeded(): ApiError {
  return new ApiError(
    "MCA_DEADLINE_EXCEEDED",
    "The answer was not ready before the call's deadline. Ask again, with a later one.",
  );
}

/** A message that is none of its method. */
export function unreadableMessage(why: string, cause?: unknown): ApiError {
  return new ApiError(
    "MCA_REQUEST_INVALID",
    `The message cannot be read: ${why}. Check it against the .proto files.`,
    cause === undefined ? {} : { cause },
  );
}

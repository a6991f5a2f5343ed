// Every refused call carries a code, also where it is refused before a handler sees it: by grpc-js, or by what stands in its place.
import { Metadata, type ServerInterceptingCallInterface, status as Status } from "@grpc/grpc-js";
import { ApiError } from "../api-error.ts";
import { toServiceError } from "../errors.ts";

export type PartialStatusObject = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

const CODE_TRAILER = "mca-code";

/** The status with a code in its trailers; `added` is set where it had none. */
export function codedStatus(status: PartialStatusObject): { status: PartialStatusObject; added?: string } {
  if (status.code === Status.OK || (status.metadata?.get(CODE_TRAILER).length ?? 0) > 0) return { status };
  const error = describeOwn(status);
  return { status: statusFor(error), added: error.code };
}

/** An error of ours as the status of a call that no handler answers. */
export function statusFor(error: ApiError): PartialStatusObject {
  const { code, details, metadata } = toServiceError(error);
  return { code, details, metadata: metadata ?? new Metadata() };
}

function describeOwn({ code, details }: PartialStatusObject): ApiError {
  switch (code) {
    case Status.RESOURCE_EXHAUSTED:
      return new ApiError("MCA_MESSAGE_TOO_LARGE", `The message is larger than this server takes. ${details ?? ""}`);
    case Status.NOT_FOUND:
      return new ApiError("MCA_NOT_FOUND", `${details ?? "There is no such thing"}. Ask reflection what there is.`);
    case Status.UNIMPLEMENTED:
      return new ApiError(
        "MCA_METHOD_UNKNOWN",
        "This server has no such method. Compare the versions of client and server, or ask its reflection service.",
      );
    case Status.DEADLINE_EXCEEDED:
      return deadlineExceeded();
    default:
      return unreadableMessage(details ?? "unknown reason");
  }
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

// What the definition of a method, generated or loaded, does for it: messages from bytes, and frames from messages.
import { unreadableMessage } from "./coded-status.ts";
import { frameOf } from "./wire/message-reader.ts";
import type { Method } from "./wire/method.ts";

/** As much of a definition as is used here. */
export interface Definition<Request, Response> {
  /** "/package.Service/Method" */
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (response: Response) => Buffer;
}

/** One method for each of a generated service. */
export type MethodsOf<Service> = { readonly [Name in keyof Service]: Method };

/** @throws ApiError MCA_REQUEST_INVALID */
export function parseMessage<Request>(definition: Definition<Request, never>, bytes: Buffer): Request {
  try {
    return definition.requestDeserialize(bytes);
  } catch (cause) {
    throw unreadableMessage(cause instanceof Error ? cause.message : "unknown reason", cause);
  }
}

/** A response as a whole gRPC frame. */
export function frameMessage<Response>(definition: Definition<unknown, Response>, response: Response): Buffer {
  const bytes = definition.responseSerialize(response);
  const { frame, message } = frameOf(bytes.length);
  message.set(bytes);
  return frame;
}

// Our own answers on a stream of an HTTP/2 server connection, and how node:http2 is told to answer at all.
import type { ServerHttp2Stream } from "node:http2";
import { NO_SAFE_FIELDS, type SafeFields } from "../fields/safe-fields.ts";
import { type HttpRefusal, refusalBody, refusalFields } from "../refusal.ts";
import { abortStream, closeEndedStream } from "./ending.ts";

/** The date is the target's to say. */
export const WITH_BODY = { sendDate: false, endStream: false } as const;
export const WITHOUT_BODY = { sendDate: false, endStream: true } as const;
export const WITH_TRAILERS = { sendDate: false, waitForTrailers: true } as const;

/** Answers with our own response, and drops the request's body unread. */
export function refuseStream(
  stream: ServerHttp2Stream,
  refusal: HttpRefusal,
  requestEnded: boolean,
  method = "GET",
  fields: SafeFields = NO_SAFE_FIELDS,
): void {
  const body = refusalBody(refusal);
  const list = [":status", `${refusal.status}`, ...refusalFields(refusal), "content-length", `${body.length}`];
  for (let index = 0; index < fields.length; index += 1) list.push(fields[index] ?? "");
  try {
    if (!requestEnded) stream.once("finish", () => closeEndedStream(stream));
    stream.resume();
    stream.respond(list, method === "HEAD" ? WITHOUT_BODY : WITH_BODY);
    if (method !== "HEAD") stream.end(body);
  } catch {
    abortStream(stream);
  }
}

// Heads and trailers of answers (gRPC over HTTP/2, "Responses").
import type { FieldList } from "../../../http2/index.ts";
import { ENCODINGS } from "./compression.ts";
import type { CallStatus } from "./method.ts";

const CONTENT_TYPE = "application/grpc+proto";

/** Comes before messages. */
export const HEAD: FieldList = [
  ...[":status", "200"],
  ...["content-type", CONTENT_TYPE],
  ...["grpc-accept-encoding", ENCODINGS],
];

/** Comes behind them. */
export const OK: FieldList = ["grpc-status", "0"];

/** Trailers of a call that was not answered with OK. */
export function trailersOf({ code, details, metadata }: CallStatus): string[] {
  // Percent-encoded: what encodeURI leaves as it is needs no encoding, and a percent sign is encoded.
  const fields = ["grpc-status", `${code}`, "grpc-message", encodeURI(details.toWellFormed())];
  for (const [name, value] of Object.entries(metadata.toHttp2Headers())) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined) fields.push(name, `${each}`);
    }
  }
  return fields;
}

/** Head and status at once, where no message went before: "Trailers-Only". @param httpStatus of a call that is none of gRPC */
export function trailersOnly(status: CallStatus, httpStatus = "200"): string[] {
  return [":status", httpStatus, ...HEAD.slice(2), ...trailersOf(status)];
}

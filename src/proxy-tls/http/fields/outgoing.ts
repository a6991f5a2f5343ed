// The fields that are written: those that were decided on, then our own, then the validator. Host, framing and connection fields are not
// among them: the engines write those from parsed state.
import type { FieldList, RequestHead } from "../exchange.ts";
import { badRequest, badResponse } from "../refusal.ts";
import type { Correlation } from "./correlation.ts";
import { assertSafeFields, type SafeFields } from "./safe-fields.ts";

/** What we say about a request. */
export interface RequestAdditions {
  readonly correlation: Correlation;
  /** x-forwarded-client-cert, from xfccElement; undefined: none is set. */
  readonly xfcc: string | undefined;
  /** Our id in Via, from viaId. */
  readonly via: string;
}

const UNSAFE_REQUEST = badRequest("unsafe-field");
const UNSAFE_RESPONSE = badResponse("unsafe-field");

/**
 * The fields of a request, ready to be written.
 * @param head screened
 * @throws RefusedError 400: a character that must not be written
 */
export function outgoingRequestFields(head: RequestHead, additions: RequestAdditions): SafeFields {
  const fields = head.fields.slice();
  const { added } = additions.correlation;
  for (let index = 0; index < added.length; index += 1) fields.push(added[index] ?? "");
  if (additions.xfcc !== undefined) fields.push("x-forwarded-client-cert", additions.xfcc);
  fields.push("via", `${head.version} ${additions.via}`);
  assertSafeFields(fields, UNSAFE_REQUEST);
  return fields;
}

/**
 * The trailers of a request, ready to be written.
 * @param trailers screened
 * @throws RefusedError 400: a character that must not be written
 */
export function outgoingRequestTrailers(trailers: FieldList): SafeFields {
  assertSafeFields(trailers, UNSAFE_REQUEST);
  return trailers;
}

/**
 * The fields of a response or its trailers, ready to be written.
 * @param fields screened, or our own
 * @throws RefusedError 502: a character that must not be written
 */
export function outgoingResponseFields(fields: FieldList): SafeFields {
  assertSafeFields(fields, UNSAFE_RESPONSE);
  return fields;
}

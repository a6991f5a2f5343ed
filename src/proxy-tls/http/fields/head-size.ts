// The limits of a head. One that came in HTTP/2 frames is counted as HTTP/1 would have written it; the codec of HTTP/1 counts for itself,
// while it reads.
import type { FieldList } from "../exchange.ts";
import type { RawRequestHead } from "../raw-head.ts";
import { type HttpRefusal, RefusedError } from "../refusal.ts";

/** Of a head, its first line and the empty line included; trailers count into it. */
export const MAX_HEAD_BYTES = 32 * 1024;
/** Of a head and its trailers. */
export const MAX_FIELDS = 100;

/** `: ` and CRLF. */
const LINE_BYTES = 4;

/**
 * Counts a head and its trailers.
 * @param startBytes of what is no field: method, target, authority
 * @param refusal what is thrown where it is too large
 * @throws RefusedError
 */
export function checkHeadSize(
  startBytes: number,
  fields: FieldList,
  trailers: FieldList,
  refusal: (reason: string) => HttpRefusal,
): void {
  if (fields.length + trailers.length > MAX_FIELDS * 2) throw new RefusedError(refusal("too-many-fields"));
  if (startBytes + bytesOf(fields) + bytesOf(trailers) > MAX_HEAD_BYTES) {
    throw new RefusedError(refusal("head-too-large"));
  }
}

/** What a request's first line and host count as. */
export function startBytes({ method, target, authority = "" }: RawRequestHead): number {
  return method.length + target.length + authority.length;
}

/** 431. */
export function headTooLarge(reason: string): HttpRefusal {
  return { status: 431, code: "MCA_PROXY_HEAD_TOO_LARGE", reason };
}

function bytesOf(fields: FieldList): number {
  let bytes = (fields.length / 2) * LINE_BYTES;
  for (const text of fields) bytes += text.length;
  return bytes;
}

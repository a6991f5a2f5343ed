// Heads of HTTP/2 (RFC 9113 section 8.3) between the flat lists of src/http2 and ours. What is written is made from the parsed head and from
// checked fields, framing from `body`.
import { keepMarks } from "../../../http2/index.ts";
import {
  type BodyFraming,
  type FieldList,
  NO_BODY,
  OPEN_BODY,
  type RequestHead,
  type ResponseHead,
} from "../exchange.ts";
import { checkHeadSize, headTooLarge, startBytes } from "../fields/head-size.ts";
import { NO_SAFE_FIELDS, type SafeFields, type TrailerRules } from "../fields/index.ts";
import { screenTrailers } from "../fields/screen-trailers.ts";
import { announcedFraming, declaredFraming, endsAtHead, forbidsFraming } from "../h1/framing.ts";
import type { RawRequestHead, RawResponseHead } from "../raw-head.ts";
import { badRequest, badResponse, type HttpRefusal, RefusedError } from "../refusal.ts";

export type Scheme = "http" | "https";

const COLON = 0x3a;

/**
 * Reads a request's head. src/http2 has seen to it that pseudo-fields come first, once, and that connection-specific fields do not come.
 * @param endStream nothing follows the head
 * @throws RefusedError 400, 405
 */
export function readRequestHead(raw: FieldList, endStream: boolean, scheme: Scheme): RawRequestHead {
  let method = "";
  let target = "";
  let authority: string | undefined;
  let theirs = "";
  let start = 0;
  for (; start < raw.length && raw[start]?.charCodeAt(0) === COLON; start += 2) {
    const value = raw[start + 1] ?? "";
    switch (raw[start]) {
      case ":method":
        method = value;
        break;
      case ":path":
        target = value;
        break;
      case ":authority":
        authority = value;
        break;
      case ":scheme":
        theirs = value;
        break;
      default:
        throw new RefusedError(badRequest("pseudo-field"));
    }
  }
  // CONNECT has neither scheme nor path; the screens refuse it by its method.
  if (theirs !== scheme && method !== "CONNECT") throw new RefusedError(badRequest("scheme"));
  const fields = fieldsFrom(raw, start);
  return { version: "2", method, target, authority, fields, framing: framingOf(fields, endStream) };
}

/**
 * Reads a response's head, interim ones included.
 * @param method of the request: it decides whether a body can follow
 * @throws RefusedError 502
 */
export function readResponseHead(raw: FieldList, endStream: boolean, method: string): RawResponseHead {
  const text = raw[1] ?? "";
  if (raw[0] !== ":status" || text.length !== 3) throw new RefusedError(badResponse("status"));
  let status = 0;
  for (let index = 0; index < 3; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    if (!(digit >= 0 && digit <= 9)) throw new RefusedError(badResponse("status"));
    status = status * 10 + digit;
  }
  if (status < 100 || status > 599) throw new RefusedError(badResponse("status"));
  const fields = fieldsFrom(raw, 2);
  return {
    version: "2",
    status,
    fields,
    framing: responseFraming(fields, endStream, method, status),
    untilClose: false,
  };
}

/**
 * Reads a request's trailers: they count into the limits of its head.
 * @throws RefusedError 400, 431
 */
export function readRequestTrailers(head: RawRequestHead, trailers: FieldList, rules: TrailerRules): SafeFields {
  if (trailers.length === 0) return NO_SAFE_FIELDS;
  checkHeadSize(startBytes(head), head.fields, trailers, headTooLarge);
  return screenTrailers(trailers, rules);
}

/** What stands behind the pseudo-fields, which are before `start`. */
function fieldsFrom(raw: FieldList, start: number): FieldList {
  const fields = raw.slice(start);
  keepMarks(fields, raw);
  return fields;
}

function framingOf(fields: FieldList, endStream: boolean): BodyFraming {
  return declaredLength(fields, badRequest) ?? (endStream ? NO_BODY : OPEN_BODY);
}

/** A response that ends at its head has no open body, though END_STREAM may come behind it (RFC 9110 section 6.4.1). */
function responseFraming(fields: FieldList, endStream: boolean, method: string, status: number): BodyFraming {
  const declared = declaredLength(fields, badResponse);
  if (declared !== undefined && forbidsFraming(status)) throw new RefusedError(badResponse("framing-in-bodyless"));
  if (endsAtHead(method, status)) return announcedFraming(declared);
  return declared ?? (endStream ? NO_BODY : OPEN_BODY);
}

/** What content-length says, if it is there. It is compared with what comes, by the exchanges. */
function declaredLength(fields: FieldList, refuse: (reason: string) => HttpRefusal): BodyFraming | undefined {
  const { failure, framing } = declaredFraming(fields, 1);
  if (failure !== undefined) throw new RefusedError(refuse(failure));
  return framing;
}

/** A request's head as it is sent. */
export function writeRequestList(head: RequestHead, scheme: Scheme): FieldList {
  const { fields } = head;
  const list = [":method", head.method, ":scheme", scheme, ":authority", head.authority, ":path", head.target];
  keepMarks(list, fields);
  for (let index = 0; index < fields.length; index += 1) list.push(fields[index] ?? "");
  if (head.body.kind === "length") list.push("content-length", `${head.body.bytes}`);
  if (head.acceptsTrailers) list.push("te", "trailers");
  return list;
}

/** An interim response's head as it is sent. */
export function writeInterimList(status: number, fields: SafeFields): string[] {
  const list = [":status", `${status}`];
  keepMarks(list, fields);
  for (let index = 0; index < fields.length; index += 1) list.push(fields[index] ?? "");
  return list;
}

/** A final response's head as it is sent. */
export function writeResponseList({ status, fields, body }: ResponseHead): FieldList {
  const list = writeInterimList(status, fields);
  if (body.kind === "length") list.push("content-length", `${body.bytes}`);
  return list;
}

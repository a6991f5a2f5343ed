// Stands in for the screens of http/fields until they are there.
import type { FieldList, RequestHead, ResponseHead } from "../exchange.ts";
import { NO_FIELDS } from "../exchange.ts";
import type { RawRequestHead, RawResponseHead } from "../raw-head.ts";
import { badRequest, RefusedError } from "../refusal.ts";

export type RequestRules = Record<string, never>;
export type ResponseRules = Record<string, never>;
export type SafeFields = FieldList;

export function screenRequest(raw: RawRequestHead, _rules: RequestRules): RequestHead {
  if (raw.method === "CONNECT") {
    throw new RefusedError({ status: 405, code: "MCA_PROXY_METHOD_REFUSED", reason: "method" });
  }
  const fields: string[] = [];
  let host: string | undefined;
  let acceptsTrailers = false;
  let expectsContinue = false;
  for (let index = 0; index < raw.fields.length; index += 2) {
    const name = raw.fields[index] ?? "";
    const value = raw.fields[index + 1] ?? "";
    if (name === "host") host = value;
    else if (name === "te") acceptsTrailers = value === "trailers";
    else if (name === "expect") expectsContinue = true;
    else if (name !== "content-length") fields.push(name, value);
  }
  const authority = raw.authority ?? host;
  if (authority === undefined || (host !== undefined && host !== authority)) throw new RefusedError(badRequest("host"));
  return {
    version: raw.version,
    method: raw.method,
    target: raw.target,
    path: raw.target,
    authority,
    fields,
    body: raw.framing,
    expectsContinue,
    acceptsTrailers,
    close: false,
  };
}

export function screenResponse(raw: RawResponseHead, _rules: ResponseRules): ResponseHead {
  const fields: string[] = [];
  for (let index = 0; index < raw.fields.length; index += 2) {
    if (raw.fields[index] === "content-length") continue;
    fields.push(raw.fields[index] ?? "", raw.fields[index + 1] ?? "");
  }
  return { status: raw.status, fields, body: raw.framing, close: false };
}

export function screenRequestTrailers(_raw: FieldList, _rules: RequestRules): FieldList {
  return NO_FIELDS;
}

export function screenResponseTrailers(raw: FieldList, _rules: ResponseRules): FieldList {
  return raw;
}

export function checkFields(fields: FieldList): SafeFields {
  return fields;
}

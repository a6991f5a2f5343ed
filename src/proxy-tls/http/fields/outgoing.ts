// The fields of a request as they are written: those that were decided on, then our own. Host, framing and connection fields are not among
// them: the engines write those from parsed state. What a response says is written as it was screened: nothing is added.
import { keepMarks } from "../../../http2/index.ts";
import type { RequestHead } from "../exchange.ts";
import { badRequest, RefusedError } from "../refusal.ts";
import type { Correlation } from "./correlation.ts";
import { checkField, markChecked, type SafeFields } from "./safe-fields.ts";

/** What we say about a request. */
export interface RequestAdditions {
  readonly correlation: Correlation;
  /** x-forwarded-client-cert; empty: none is set. */
  readonly clientCert: SafeFields;
  /** Our id in Via, from viaId. */
  readonly via: string;
}

const UNSAFE_REQUEST = badRequest("unsafe-field");

/**
 * A request, ready to be written.
 * @param head screened
 * @throws RefusedError 400: a character of ours that must not be written
 */
export function outgoingRequest(head: RequestHead, { correlation, clientCert, via }: RequestAdditions): RequestHead {
  const { version, method, target, path, authority, body, expectsContinue, acceptsTrailers, close } = head;
  const fields = head.fields.slice();
  keepMarks(fields, head.fields);
  const { added } = correlation;
  for (let index = 0; index < added.length; index += 2) add(fields, added[index] ?? "", added[index + 1] ?? "");
  for (let index = 0; index < clientCert.length; index += 1) fields.push(clientCert[index] ?? "");
  add(fields, "via", `${version} ${via}`);
  markChecked(fields);
  return { version, method, target, path, authority, fields, body, expectsContinue, acceptsTrailers, close };
}

function add(fields: string[], name: string, value: string): void {
  if (!checkField(name, value)) throw new RefusedError(UNSAFE_REQUEST);
  fields.push(name, value);
}

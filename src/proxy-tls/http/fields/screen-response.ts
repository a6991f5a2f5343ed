// From a response as it was parsed to what the caller may see: end-to-end fields only, none that is ours to say. What a target may not
// say is 502.
import { keepMarks } from "../../../http2/index.ts";
import { NO_FIELDS, type ResponseHead } from "../exchange.ts";
import type { RawResponseHead } from "../raw-head.ts";
import { badResponse, RefusedError } from "../refusal.ts";
import { ConnectionField } from "./connection-field.ts";
import { checkHeadSize } from "./head-size.ts";
import { without } from "./lists.ts";
import * as roles from "./roles.ts";
import type { ResponseRules } from "./rules.ts";
import { checkField, markChecked, type SafeFields } from "./safe-fields.ts";

/**
 * Screens a final response.
 * @param raw as it was parsed; its framing was decided by the codec
 * @throws RefusedError 502
 */
export function screenResponse(raw: RawResponseHead, rules: ResponseRules): ResponseHead {
  if (raw.status < 200 || raw.status > 599) throw refused("status");
  const connection = new ConnectionField();
  const fields = screenFields(raw, rules, connection);
  const close = raw.version === "1.0" || raw.untilClose || connection.close;
  return { status: raw.status, fields, body: raw.framing, close };
}

/**
 * Screens the fields of an interim response. Which of them pass is the engines' to know; switching protocols is refused.
 * @throws RefusedError 502
 */
export function screenInterim(raw: RawResponseHead, rules: ResponseRules): SafeFields {
  if (raw.status < 100 || raw.status > 199 || raw.status === 101) throw refused("interim-status");
  return screenFields(raw, rules, new ConnectionField());
}

function screenFields(raw: RawResponseHead, rules: ResponseRules, connection: ConnectionField): SafeFields {
  const http2 = raw.version === "2";
  if (http2) checkHeadSize(0, raw.fields, NO_FIELDS, badResponse);
  const kept: string[] = [];
  keepMarks(kept, raw.fields);
  for (let index = 0; index < raw.fields.length; index += 2) {
    const name = raw.fields[index] ?? "";
    const value = raw.fields[index + 1] ?? "";
    const action = rules.roles.roleOf(name) & roles.ACTION;
    if (!checkField(name, value)) throw refused("field-value");
    switch (action) {
      case roles.REMOVE:
      case roles.PROTECTED:
        break;
      case roles.CONNECTION:
        if (http2) throw refused("connection-field");
        connection.read(value, rules.roles, badResponse);
        break;
      case roles.TRANSFER_ENCODING:
      case roles.UPGRADE:
        if (http2) throw refused("connection-field");
        break;
      default:
        kept.push(name, value);
    }
  }
  const fields = connection.nominated === undefined ? kept : without(kept, connection.nominated);
  markChecked(fields);
  return fields;
}

function refused(reason: string): RefusedError {
  return new RefusedError(badResponse(reason));
}

// What the HTTP/2 engines use of the fields' rules.
import type { FieldList } from "../exchange.ts";
import { assertSafeFields, type SafeFields } from "../fields/safe-fields.ts";
import { badResponse } from "../refusal.ts";

export type { RequestRules, ResponseRules } from "../fields/rules.ts";
export { screenRequest } from "../fields/screen-request.ts";

const UNWRITABLE = badResponse("unwritable-field");

/** @throws RefusedError */
export function checkFields(fields: FieldList): SafeFields {
  assertSafeFields(fields, UNWRITABLE);
  return fields;
}

// Small things that are done with a list of fields.
import { keepMarks } from "../../../http2/index.ts";
import type { FieldList } from "../exchange.ts";

/** The value of the first field of that name (lower case). */
export function fieldValue(fields: FieldList, name: string): string | undefined {
  for (let index = 0; index < fields.length; index += 2) {
    if (fields[index] === name) return fields[index + 1];
  }
  return undefined;
}

/** The fields that are not named. */
export function without(fields: FieldList, names: ReadonlySet<string>): FieldList {
  const kept: string[] = [];
  keepMarks(kept, fields);
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? "";
    if (!names.has(name)) kept.push(name, fields[index + 1] ?? "");
  }
  return kept;
}

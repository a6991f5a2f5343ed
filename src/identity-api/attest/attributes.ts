// The bounds of every attribute that is established here, whoever established it. What is outside of them is refused.
import { ATTRIBUTE_NAME, MAX_ATTRIBUTE_LENGTH } from "../registry/index.ts";

/** Most attributes of one piece of evidence. */
export const MAX_ATTRIBUTES = 32;

/** What keeps a text from being an attribute's value; undefined if nothing does. */
export function attributeValueProblem(value: string): string | undefined {
  if (value === "") return "is empty";
  if (value.length > MAX_ATTRIBUTE_LENGTH) return `is longer than ${MAX_ATTRIBUTE_LENGTH} characters`;
  if (!value.isWellFormed()) return "is not well-formed Unicode";
  // Control and format characters would let a value look like another one in a log or a table.
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(value)) return "contains control characters";
  return undefined;
}

/** What keeps a text from being an attribute's name (without the instance); undefined if nothing does. */
export function attributeNameProblem(name: string): string | undefined {
  return ATTRIBUTE_NAME.test(name)
    ? undefined
    : "is not 1 to 63 letters, digits, dashes and underscores beginning with a letter";
}

/** Puts the instance before each name. */
export function withInstance(instance: string, attributes: Iterable<readonly [string, string]>): Map<string, string> {
  const named = new Map<string, string>();
  for (const [name, value] of attributes) named.set(`${instance}.${name}`, value);
  return named;
}

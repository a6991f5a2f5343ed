// What both kinds of name template share: a placeholder's value is checked character by character and refused, never
// repaired; and whatever can be decided when the rule is loaded is decided then, by filling the template with what the
// selectors already fix.
import { RegistryError } from "./errors.ts";
import type { Pattern } from "./glob.ts";
import { boundAttribute, fillTemplate, type Refuse, type TemplatePart, templateAttributes } from "./template.ts";
import type { Attributes } from "./types.ts";

/** Which characters a placeholder may bring into the name. */
export interface Alphabet {
  readonly pattern: RegExp;
  /** "letters, digits, dots, dashes and underscores" */
  readonly words: string;
}

/** Stands for the value of a glob while a template is tried out at load. */
const SAMPLE = "x";

/** Fills a template at load: exact selectors give their value, globs a sample. Refuses what could never be valid. */
export function fillAtLoad(
  parts: readonly TemplatePart[],
  selectors: ReadonlyMap<string, Pattern>,
  alphabet: Alphabet,
  refuse: Refuse,
): string {
  for (const name of templateAttributes(parts)) {
    const pattern = selectors.get(name);
    const fixed = pattern?.text.replaceAll("*", "") ?? "";
    if (fixed !== "" && !alphabet.pattern.test(fixed)) {
      refuse(
        `{${name}} only matches "${pattern?.text}", which can never be part of this name: only ${alphabet.words} can.`,
      );
    }
  }
  return fillTemplate(parts, (name) => {
    const pattern = selectors.get(name);
    return pattern?.kind === "exact" ? pattern.text : SAMPLE;
  });
}

/** Fills a template with a caller's attributes. @throws RegistryError MCA_RULE_ATTRIBUTE_REFUSED */
export function fillWith(
  parts: readonly TemplatePart[],
  attributes: Attributes,
  alphabet: Alphabet,
  rule: string,
  what: string,
): string {
  return fillTemplate(parts, (name) => {
    const value = boundAttribute(attributes, name);
    if (!alphabet.pattern.test(value)) {
      throw refusedName(rule, name, `the value of ${name} cannot be part of ${what}: only ${alphabet.words} can.`);
    }
    return value;
  });
}

/** The rule matched, but the name it would build cannot be given. */
export function refusedName(rule: string, attribute: string | undefined, why: string, cause?: unknown): RegistryError {
  return new RegistryError(
    "MCA_RULE_ATTRIBUTE_REFUSED",
    `Rule "${rule}" matches, but ${why} Nothing is issued: change the rule, or the attribute where it comes from.`,
    { details: { rule, ...(attribute === undefined ? {} : { attribute }) }, ...(cause === undefined ? {} : { cause }) },
  );
}

// Templates of names: text with placeholders `{trustDomain}` and `{instance.attribute}`. There is no escape: a brace that is
// not part of a placeholder is refused.
import { nearestHint } from "../../runtime/index.ts";
import type { Attributes } from "./types.ts";

/** Name of an attestor instance: the prefix of its attributes. `agent` is kept for evidence that a host agent asserts. */
export const INSTANCE_NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** Name of an attribute without its instance. */
export const ATTRIBUTE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;

/** Splits "k8s-prod.namespace" at its dot; undefined if it is not of that form. */
export function splitAttribute(name: string): { readonly instance: string; readonly attribute: string } | undefined {
  const dot = name.indexOf(".");
  if (dot === -1) return undefined;
  const instance = name.slice(0, dot);
  const attribute = name.slice(dot + 1);
  return INSTANCE_NAME.test(instance) && ATTRIBUTE_NAME.test(attribute) ? { instance, attribute } : undefined;
}

export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "attribute"; readonly name: string };

export type Refuse = (sentence: string) => never;

/** Longest template, in UTF-16 code units. */
const MAX_TEMPLATE_LENGTH = 2048;

/** Reads a template; `{trustDomain}` becomes text at once. `bound` are the attributes that the rule's `match` binds. */
export function parseTemplate(
  text: string,
  trustDomain: string,
  bound: readonly string[],
  refuse: Refuse,
): readonly TemplatePart[] {
  if (text === "") refuse("is empty.");
  if (text.length > MAX_TEMPLATE_LENGTH) refuse(`is longer than ${MAX_TEMPLATE_LENGTH} characters.`);
  const parts: TemplatePart[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("{", at);
    const literal = text.slice(at, open === -1 ? text.length : open);
    if (literal.includes("}")) refuse('has a "}" without a "{" before it.');
    if (literal !== "") parts.push({ kind: "text", text: literal });
    if (open === -1) break;
    const close = text.indexOf("}", open);
    if (close === -1) refuse('has a "{" that is never closed.');
    parts.push(parsePlaceholder(text.slice(open + 1, close), trustDomain, bound, refuse));
    at = close + 1;
  }
  return parts;
}

function parsePlaceholder(name: string, trustDomain: string, bound: readonly string[], refuse: Refuse): TemplatePart {
  if (name === "trustDomain") return { kind: "text", text: trustDomain };
  if (bound.includes(name)) return { kind: "attribute", name };
  if (splitAttribute(name) === undefined) {
    return refuse(
      `"{${name}}" is no placeholder: write {trustDomain} or {instance.attribute}.${nearestHint(name, ["trustDomain", ...bound])}`,
    );
  }
  return refuse(
    `the placeholder "{${name}}" is not bound: add a selector for it to "match" ("*" takes any value).${nearestHint(name, bound)}`,
  );
}

/** Puts values in. `value` gives the checked value of an attribute, or throws. */
export function fillTemplate(parts: readonly TemplatePart[], value: (attribute: string) => string): string {
  let text = "";
  for (const part of parts) text += part.kind === "text" ? part.text : value(part.name);
  return text;
}

/** The attributes that a template uses, each once. */
export function templateAttributes(parts: readonly TemplatePart[]): readonly string[] {
  return [...new Set(parts.flatMap((part) => (part.kind === "attribute" ? [part.name] : [])))];
}

/** Reads an attribute that a matching rule has bound; its absence is a bug of ours. */
export function boundAttribute(attributes: Attributes, name: string): string {
  const value = attributes.get(name);
  if (value === undefined) throw new TypeError(`attribute ${name} is not established although its selector matched`);
  return value;
}

// DNS names of a rule (subjectAltName dNSName). Letters-digits-hyphen labels in lower case, RFC 1123 2.1 and RFC 5280 4.2.1.6.
// Wildcards are not supported at all: a certificate of a mesh names one service. Upper case is refused and not folded, because
// "Cart" and "cart" would be two attribute values and one DNS name. A value may fill part of one label; only where the whole
// template is one placeholder may it bring dots, because then the rule's author hands over the whole name knowingly.
import type { Pattern } from "./glob.ts";
import { type Alphabet, fillAtLoad, fillWith, refusedName } from "./name-template.ts";
import { parseTemplate, type Refuse, type TemplatePart } from "./template.ts";
import type { Attributes } from "./types.ts";

const PART_OF_LABEL: Alphabet = { pattern: /^[a-z0-9-]+$/, words: "lower-case letters, digits and dashes" };
const WHOLE_NAME: Alphabet = { pattern: /^[a-z0-9.-]+$/, words: "lower-case letters, digits, dashes and dots" };
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export interface DnsTemplate {
  readonly parts: readonly TemplatePart[];
  readonly alphabet: Alphabet;
}

/** Reads the template and tries it out; refuses what could never be a DNS name. */
export function parseDnsTemplate(
  text: string,
  trustDomain: string,
  selectors: ReadonlyMap<string, Pattern>,
  refuse: Refuse,
): DnsTemplate {
  if (text.includes("*")) refuse("wildcard DNS names are not supported: name the service.");
  const parts = parseTemplate(text, trustDomain, [...selectors.keys()], refuse);
  const alphabet = parts.length === 1 ? WHOLE_NAME : PART_OF_LABEL;
  const problem = dnsNameProblem(fillAtLoad(parts, selectors, alphabet, refuse));
  if (problem !== undefined) refuse(`makes no valid DNS name: ${problem}`);
  return { parts, alphabet };
}

/** The DNS name for a caller. @throws RegistryError MCA_RULE_ATTRIBUTE_REFUSED */
export function fillDnsName(template: DnsTemplate, attributes: Attributes, rule: string): string {
  const name = fillWith(template.parts, attributes, template.alphabet, rule, "a DNS name");
  const problem = dnsNameProblem(name);
  if (problem !== undefined) throw refusedName(rule, undefined, `it would make no valid DNS name: ${problem}`);
  return name;
}

/** What keeps a text from being a DNS name; undefined if nothing does. */
export function dnsNameProblem(name: string): string | undefined {
  if (name.length > 253) return "it is longer than 253 characters.";
  const labels = name.split(".");
  if (!labels.every((label) => LABEL.test(label))) {
    return "each label is 1 to 63 lower-case letters, digits and dashes, with no dash at its ends.";
  }
  if (/^[0-9]+$/.test(labels[labels.length - 1] ?? ""))
    return "a name whose last label is a number reads as an IP address.";
  return undefined;
}

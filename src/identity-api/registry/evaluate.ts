// What a set of rules says to a set of attributes: one verdict with a reason for every rule, and what the deciding one grants.
// Precedence: the highest priority, then the most selectors, then the name. If the rule that decides cannot build a valid name
// from the attributes, nothing is granted: falling back to a weaker rule would give an identity that its author did not mean.
import type { Grant } from "../../ca/index.ts";
import { ASSERTED_PREFIX, type CompiledRule, type Selector } from "./compile-rule.ts";
import { fillDnsName } from "./dns-template.ts";
import { RegistryError } from "./errors.ts";
import { matchesPattern, type Pattern, parsePattern } from "./glob.ts";
import { fillSpiffeId } from "./spiffe-id-template.ts";
import type { Attributes, RuleVerdict, StoredRule } from "./types.ts";

/** A rule of the snapshot: usable, or kept with the reason why it never matches. */
export type LoadedRule =
  | ActiveRule
  | { readonly kind: "inactive"; readonly stored: StoredRule; readonly problem: string };
export interface ActiveRule {
  readonly kind: "active";
  readonly stored: StoredRule;
  readonly compiled: CompiledRule;
}

/** What the rules say to a set of attributes. */
export interface Evaluation {
  /** Every rule, in order of precedence. */
  readonly verdicts: readonly RuleVerdict[];
  /** What the deciding rule grants. */
  readonly grant?: Grant;
  /** Why nothing is granted (MCA_NO_RULE_MATCHES, MCA_RULE_ATTRIBUTE_REFUSED). Set exactly when `grant` is not. */
  readonly refusal?: RegistryError;
}

/** Order of precedence. */
export function comparePrecedence(a: StoredRule, b: StoredRule): number {
  return (
    b.definition.priority - a.definition.priority ||
    b.definition.match.size - a.definition.match.size ||
    (a.definition.name < b.definition.name ? -1 : a.definition.name > b.definition.name ? 1 : 0)
  );
}

/** Evaluates rules that are in order of precedence. `ttlSeconds` 0: what the rule grants. */
export function evaluateRules(rules: readonly LoadedRule[], attributes: Attributes, ttlSeconds: number): Evaluation {
  let decided: ActiveRule | undefined;
  const verdicts: RuleVerdict[] = [];
  for (const rule of rules) {
    const mismatch = whyNot(rule, attributes);
    const chosen = mismatch === undefined && decided === undefined;
    const reason = mismatch ?? (decided === undefined ? whyChosen(rule.stored) : whyLater(rule.stored, decided.stored));
    if (chosen && rule.kind === "active") decided = rule;
    verdicts.push({
      rule: rule.stored.definition.name,
      revision: rule.stored.revision,
      priority: rule.stored.definition.priority,
      matched: mismatch === undefined,
      chosen,
      reason,
    });
  }
  if (decided === undefined) return { verdicts, refusal: noMatch(attributes) };
  try {
    return { verdicts, grant: grantOf(decided, attributes, ttlSeconds) };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    const refusal = error;
    return {
      verdicts: verdicts.map((verdict) => (verdict.chosen ? { ...verdict, reason: refusal.message } : verdict)),
      refusal,
    };
  }
}

/** What a matching rule grants. @throws RegistryError MCA_RULE_ATTRIBUTE_REFUSED */
export function grantOf(rule: ActiveRule, attributes: Attributes, ttlSeconds: number): Grant {
  const { compiled, stored } = rule;
  const name = stored.definition.name;
  const dnsNames = compiled.dnsNames.map((template) => fillDnsName(template, attributes, name));
  const wished = ttlSeconds === 0 ? compiled.ttlSeconds : ttlSeconds;
  return {
    rule: name,
    ruleRevision: stored.revision,
    spiffeId: fillSpiffeId(compiled.spiffeId, attributes, name),
    dnsNames: [...new Set(dnsNames)],
    ttlSeconds: Math.min(wished, compiled.ttlSeconds),
    roles: stored.definition.roles,
    ...(wished > compiled.ttlSeconds ? { shortenedBy: `rule "${name}" grants at most ${compiled.ttlSeconds} s` } : {}),
  };
}

/** Why a rule does not match; undefined if it does. */
export function whyNot(rule: LoadedRule, attributes: Attributes): string | undefined {
  if (rule.kind === "inactive") return rule.problem;
  const asserted = assertedAttribute(attributes);
  if (asserted !== undefined) {
    return `${asserted} is asserted by a host agent and not verified; such evidence matches no rule.`;
  }
  const failing = failingSelector(rule.compiled, attributes);
  if (failing === undefined) return undefined;
  const { name, pattern } = failing;
  const value = attributes.get(name);
  return value === undefined || value === ""
    ? `${name} is not established; the rule asks for "${pattern.text}".`
    : `${name} is "${value}"; the rule asks for "${pattern.text}".`;
}

/** The rules that match, in order of precedence, without a word about the others: enrolment asks this of every rule there is. */
export function* matchingRules(rules: readonly LoadedRule[], attributes: Attributes): Generator<ActiveRule> {
  if (assertedAttribute(attributes) !== undefined) return;
  for (const rule of rules) {
    if (rule.kind === "active" && failingSelector(rule.compiled, attributes) === undefined) yield rule;
  }
}

/** Whether the attributes satisfy a rule's selectors, in force or not. A selector that cannot be read counts as satisfied. */
export function selectorsMatch(rule: LoadedRule, attributes: Attributes): boolean {
  if (rule.kind === "active") return failingSelector(rule.compiled, attributes) === undefined;
  return [...rule.stored.definition.match].every(([name, text]) => {
    const value = attributes.get(name);
    if (value === undefined || value === "") return false;
    const pattern = readPattern(text);
    return pattern === undefined || matchesPattern(pattern, value);
  });
}

function readPattern(text: string): Pattern | undefined {
  try {
    return parsePattern(text, (sentence) => {
      throw new SyntaxError(sentence);
    });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function assertedAttribute(attributes: Attributes): string | undefined {
  for (const name of attributes.keys()) if (name.startsWith(ASSERTED_PREFIX)) return name;
  return undefined;
}

/** The first selector that the attributes do not satisfy. An empty value is none. */
function failingSelector(rule: CompiledRule, attributes: Attributes): Selector | undefined {
  for (const selector of rule.selectors) {
    const value = attributes.get(selector.name);
    if (value === undefined || value === "" || !matchesPattern(selector.pattern, value)) return selector;
  }
  return undefined;
}

function whyChosen(rule: StoredRule): string {
  const selectors = rule.definition.match.size;
  return `${selectors === 1 ? "Its selector matches" : `All ${selectors} selectors match`}, and no matching rule comes before it.`;
}

function whyLater(rule: StoredRule, before: StoredRule): string {
  const [own, other] = [rule.definition, before.definition];
  if (own.priority !== other.priority) {
    return `It matches, but "${other.name}" has a higher priority (${other.priority}, here ${own.priority}).`;
  }
  if (own.match.size !== other.match.size) {
    return `It matches, but "${other.name}" has the same priority and more selectors (${other.match.size}, here ${own.match.size}).`;
  }
  return `It matches, but "${other.name}" has the same priority and as many selectors, and its name comes first.`;
}

/** What a caller is told whose evidence matches nothing. */
export function noMatch(attributes: Attributes): RegistryError {
  const names = [...attributes.keys()].sort().join(", ");
  return new RegistryError(
    "MCA_NO_RULE_MATCHES",
    `No identity rule matches this evidence (attributes: ${names === "" ? "none" : names}). Add a rule, or see why with: npx mesh-ca explain`,
  );
}

/** What a caller may see of the verdicts: an operator all of them, everybody else the rules that their own evidence matches. */
export function visibleVerdicts(verdicts: readonly RuleVerdict[], operator: boolean): readonly RuleVerdict[] {
  return operator ? verdicts : verdicts.filter((verdict) => verdict.matched);
}

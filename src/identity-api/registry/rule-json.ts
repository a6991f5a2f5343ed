// A rule definition as plain JSON: what the database's `definition` holds, what ledger entries carry, and what the hash of the
// configuration's rules is taken over (canonical JSON, RFC 8785).
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { JsonValue } from "../../ca/index.ts";
import type { RuleDefinition } from "./types.ts";

/** The definition as JSON. parseRule reads it back. */
export function ruleToJson(rule: RuleDefinition): { readonly [name: string]: JsonValue } {
  return {
    name: rule.name,
    priority: rule.priority,
    match: Object.fromEntries(rule.match),
    spiffeId: rule.spiffeId,
    dnsNames: rule.dnsNames,
    ttlSeconds: rule.ttlSeconds,
    roles: rule.roles,
    ...(rule.renewAfterExpirySeconds === undefined ? {} : { renewAfterExpirySeconds: rule.renewAfterExpirySeconds }),
    maxLineageAgeSeconds: rule.maxLineageAgeSeconds,
  };
}

/** Canonical text: two definitions are the same rule exactly when these are equal. */
export function canonicalRule(rule: RuleDefinition): string {
  return canonical(ruleToJson(rule));
}

/** SHA-256 over the canonical rules, in order of their names: the order in the file does not matter. */
export function hashRules(rules: readonly RuleDefinition[]): Uint8Array {
  const sorted = rules.map(canonicalRule).sort();
  return new Uint8Array(
    createHash("sha256")
      .update(`[${sorted.join(",")}]`)
      .digest(),
  );
}

function canonical(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("a rule definition is not JSON");
  return text;
}

// Rules for tests: a context with one attestor of each kind, and short ways to write a rule.

import type { RuleContext } from "../../../src/identity-api/registry/index.ts";
import { RuleSet } from "../../../src/identity-api/registry/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";

export const context: RuleContext = {
  trustDomain: TrustDomain.parse("example.test"),
  attestors: [
    { name: "token", kind: "join-token", attributeNames: undefined },
    { name: "k8s-prod", kind: "jwt", attributeNames: ["subject", "namespace", "serviceAccount", "pod"] },
    { name: "k8s-test", kind: "jwt", attributeNames: ["subject", "namespace", "serviceAccount", "pod"] },
    { name: "corp", kind: "x509", attributeNames: ["commonName", "dns", "dns1", "serial"] },
  ],
  ttl: { defaultSeconds: 3600, minSeconds: 600, maxSeconds: 86_400 },
};

/** A rule that is fine, with what a test changes in it. */
export function rule(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    name: "workloads",
    match: { "token.service": "*" },
    spiffeId: "spiffe://{trustDomain}/{token.service}",
    ...changes,
  };
}

export function parse(...rules: readonly Record<string, unknown>[]): RuleSet {
  return RuleSet.parse(rules, context);
}

export function attributes(entries: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(entries));
}

/** The SPIFFE ID that these attributes earn. */
export function idOf(rules: RuleSet, entries: Readonly<Record<string, string>>): string | undefined {
  return rules.evaluate(attributes(entries)).grant?.spiffeId.toString();
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { RegistryError, type RenewalSubject, RuleSet } from "../../../src/identity-api/registry/index.ts";
import { attributes, context, parse, rule } from "./support.ts";

const DAY = 86_400_000;
const now = Date.UTC(2026, 6, 1);

function subject(changes: Partial<RenewalSubject> = {}): RenewalSubject {
  return {
    rule: "workloads",
    spiffeId: "spiffe://example.test/cart",
    attributes: attributes({ "token.service": "cart" }),
    openedAt: now - DAY,
    ...changes,
  };
}

function refusal(rules: RuleSet, about: RenewalSubject): string | undefined {
  try {
    rules.renew(about, now);
    return undefined;
  } catch (error) {
    assert(error instanceof RegistryError);
    return error.code;
  }
}

test("the same rule grants the same identity again, at its current revision", () => {
  const definition = parse(rule({ ttlSeconds: 900 })).rules[0]?.definition;
  assert(definition);
  const rules = RuleSet.load([{ definition, source: "api", revision: 17n }], context, 20n);
  const grant = rules.renew(subject(), now);
  assert.equal(grant.spiffeId.toString(), "spiffe://example.test/cart");
  assert.equal(grant.ruleRevision, 17n);
  assert.equal(grant.ttlSeconds, 900);
});

test("a deleted rule renews nothing, also where another rule would match", () => {
  assert.equal(refusal(parse(rule({ name: "another" })), subject()), "MCA_RULE_GONE");
});

test("a rule that names another ID now is refused: a renewal never changes the identity", () => {
  const rules = parse(rule({ spiffeId: "spiffe://{trustDomain}/v2/{token.service}" }));
  assert.equal(refusal(rules, subject()), "MCA_RENEWAL_ID_CHANGED");
});

test("a rule that no longer matches the stored attributes renews nothing", () => {
  assert.equal(refusal(parse(rule({ match: { "token.service": "shop-*" } })), subject()), "MCA_RENEWAL_RULE_MISMATCH");
});

test("a rule whose attestor is no longer configured renews nothing", () => {
  const definition = parse(rule()).rules[0]?.definition;
  assert(definition);
  const elsewhere = { ...context, attestors: [] };
  const rules = RuleSet.load([{ definition, source: "api", revision: 1n }], elsewhere, 1n);
  assert.equal(refusal(rules, subject()), "MCA_RULE_INACTIVE");
});

test("another rule with a higher priority does not take a renewal over", () => {
  const rules = parse(rule(), rule({ name: "newer", priority: 9, spiffeId: "spiffe://{trustDomain}/newer" }));
  assert.equal(rules.renew(subject(), now).rule, "workloads");
});

test("an expired certificate renews for 7 days where a join token opened the lineage", () => {
  const rules = parse(rule());
  assert.equal(refusal(rules, subject({ expiredAt: now - 7 * DAY })), undefined);
  assert.equal(refusal(rules, subject({ expiredAt: now - 7 * DAY - 1 })), "MCA_RENEWAL_TOO_LATE");
});

test("an expired certificate does not renew where another kind of evidence opened the lineage, unless the rule says so", () => {
  const changes = {
    match: { "k8s-prod.serviceAccount": "*" },
    spiffeId: "spiffe://{trustDomain}/{k8s-prod.serviceAccount}",
  };
  const about = subject({ attributes: attributes({ "k8s-prod.serviceAccount": "cart" }), expiredAt: now - 1000 });
  assert.equal(refusal(parse(rule(changes)), about), "MCA_RENEWAL_TOO_LATE");
  assert.equal(refusal(parse(rule({ ...changes, renewAfterExpirySeconds: 60 })), about), undefined);
});

test("renewAfterExpirySeconds 0 is kept for join tokens too", () => {
  const rules = parse(rule({ renewAfterExpirySeconds: 0 }));
  assert.equal(refusal(rules, subject({ expiredAt: now - 1 })), "MCA_RENEWAL_TOO_LATE");
});

test("a lineage older than 30 days, or than the rule's own bound, asks for fresh evidence", () => {
  assert.equal(refusal(parse(rule()), subject({ openedAt: now - 30 * DAY })), undefined);
  assert.equal(refusal(parse(rule()), subject({ openedAt: now - 30 * DAY - 1 })), "MCA_LINEAGE_TOO_OLD");
  assert.equal(refusal(parse(rule({ maxLineageAgeSeconds: 3600 })), subject()), "MCA_LINEAGE_TOO_OLD");
});

test("roles are those of the lineage's rule today; admin includes the others", () => {
  const roles = (granted: readonly string[]) => [...parse(rule({ roles: granted })).rolesOf(subject())];
  assert.deepEqual(roles([]), []);
  assert.deepEqual(roles(["auditor"]), ["auditor"]);
  assert.deepEqual(roles(["operator"]), ["operator"]);
  assert.deepEqual(roles(["admin"]), ["auditor", "operator", "admin"]);
});

test("a rule that would not grant this identity today gives no roles", () => {
  const admin = { roles: ["admin"] };
  assert.equal(parse(rule({ ...admin, spiffeId: "spiffe://{trustDomain}/x" })).rolesOf(subject()).size, 0);
  assert.equal(parse(rule({ ...admin, match: { "token.service": "x" } })).rolesOf(subject()).size, 0);
  assert.equal(parse(rule({ ...admin, name: "other" })).rolesOf(subject()).size, 0);
});

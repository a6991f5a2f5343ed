import assert from "node:assert/strict";
import { test } from "node:test";
import { RuleSet, visibleVerdicts } from "../../../src/identity-api/registry/index.ts";
import { attributes, context, idOf, parse, rule } from "./support.ts";

const cart = { "token.service": "cart", "token.env": "prod" };

test("the highest priority that matches decides", () => {
  const rules = parse(
    rule({ name: "low", priority: -1, spiffeId: "spiffe://{trustDomain}/low" }),
    rule({ name: "high", priority: 5, spiffeId: "spiffe://{trustDomain}/high" }),
    rule({ name: "other", priority: 9, match: { "token.service": "other" }, spiffeId: "spiffe://{trustDomain}/other" }),
  );
  assert.equal(idOf(rules, cart), "spiffe://example.test/high");
});

test("among equal priorities the most selectors decide, then the name", () => {
  const rules = parse(
    rule({ name: "a", spiffeId: "spiffe://{trustDomain}/a" }),
    rule({ name: "z", match: { "token.service": "*", "token.env": "*" }, spiffeId: "spiffe://{trustDomain}/z" }),
    rule({ name: "y", match: { "token.service": "*", "token.env": "*" }, spiffeId: "spiffe://{trustDomain}/y" }),
  );
  assert.equal(idOf(rules, cart), "spiffe://example.test/y");
  assert.equal(idOf(rules, { "token.service": "cart" }), "spiffe://example.test/a");
});

test("every rule gets a verdict with a reason, in order of precedence", () => {
  const rules = parse(
    rule({ name: "b", priority: 2 }),
    rule({ name: "c", priority: 1 }),
    rule({ name: "d", match: { "token.service": "*", "token.env": "prod" } }),
    rule({ name: "e" }),
    rule({ name: "f", match: { "token.service": "shop-*" } }),
    rule({ name: "a", match: { "token.zone": "*" }, spiffeId: "spiffe://{trustDomain}/a" }),
  );
  const { verdicts, grant } = rules.evaluate(attributes(cart));
  assert.deepEqual(
    verdicts.map(({ rule: name, matched, chosen }) => [name, matched, chosen]),
    [
      ["b", true, true],
      ["c", true, false],
      ["d", true, false],
      ["a", false, false],
      ["e", true, false],
      ["f", false, false],
    ],
  );
  assert.equal(grant?.rule, "b");
  const reasons = new Map(verdicts.map(({ rule: name, reason }) => [name, reason]));
  assert.match(reasons.get("b") ?? "", /Its selector matches/);
  assert.match(reasons.get("c") ?? "", /"b" has a higher priority \(2, here 1\)/);
  assert.match(reasons.get("a") ?? "", /token\.zone is not established/);
  assert.match(reasons.get("f") ?? "", /token\.service is "cart"; the rule asks for "shop-\*"/);
});

test("the reasons of equal priorities tell what decided", () => {
  const rules = parse(
    rule({ name: "two", match: { "token.service": "*", "token.env": "*" } }),
    rule({ name: "one" }),
    rule({ name: "zwei", match: { "token.service": "*", "token.env": "*" } }),
  );
  const reasons = new Map(rules.evaluate(attributes(cart)).verdicts.map(({ rule: name, reason }) => [name, reason]));
  assert.match(reasons.get("one") ?? "", /more selectors \(2, here 1\)/);
  assert.match(reasons.get("zwei") ?? "", /its name comes first/);
});

test("nothing matches: a refusal with its code, and no grant", () => {
  const { grant, refusal, verdicts } = parse(rule({ match: { "token.service": "other" } })).evaluate(attributes(cart));
  assert.equal(grant, undefined);
  assert.equal(refusal?.code, "MCA_NO_RULE_MATCHES");
  assert.match(refusal?.message ?? "", /token\.env, token\.service/);
  assert.equal(verdicts[0]?.matched, false);
});

test("an attribute of another instance does not satisfy a selector", () => {
  const rules = parse(rule({ match: { "k8s-prod.namespace": "shop" }, spiffeId: "spiffe://{trustDomain}/shop" }));
  assert.equal(idOf(rules, { "k8s-test.namespace": "shop" }), undefined);
});

test("the rule that decides cannot build a name: nothing is granted, and no weaker rule steps in", () => {
  const rules = parse(
    rule({ name: "first", priority: 1 }),
    rule({ name: "second", spiffeId: "spiffe://{trustDomain}/fixed" }),
  );
  const { grant, refusal, verdicts } = rules.evaluate(attributes({ "token.service": "mesh-ca" }));
  assert.equal(grant, undefined);
  assert.equal(refusal?.code, "MCA_RULE_ATTRIBUTE_REFUSED");
  assert.equal(verdicts[0]?.reason, refusal?.message);
  assert.equal(verdicts[0]?.chosen, true);
});

test("evidence that a host agent asserts matches no rule, whatever else is established", () => {
  assert.equal(idOf(parse(rule()), { ...cart, "agent.uid": "0" }), undefined);
});

test("the lifetime wished for is kept or shortened, and the answer says by what", () => {
  const rules = parse(rule({ ttlSeconds: 1800 }));
  const granted = (ttl: number) => rules.evaluate(attributes(cart), ttl).grant;
  assert.equal(granted(0)?.ttlSeconds, 1800);
  assert.equal(granted(0)?.shortenedBy, undefined);
  assert.equal(granted(900)?.ttlSeconds, 900);
  assert.equal(granted(3600)?.ttlSeconds, 1800);
  assert.match(granted(3600)?.shortenedBy ?? "", /rule "workloads" grants at most 1800 s/);
  assert.equal(parse(rule()).evaluate(attributes(cart)).grant?.ttlSeconds, 3600);
});

test("a stored rule that does not fit this configuration is kept, never matches, and says why", () => {
  const definition = parse(rule()).rules[0]?.definition;
  assert(definition);
  const elsewhere = { ...context, attestors: context.attestors.filter(({ name }) => name !== "token") };
  const rules = RuleSet.load([{ definition, source: "api", revision: 4n }], elsewhere, 4n);
  const { verdicts, grant } = rules.evaluate(attributes(cart));
  assert.equal(grant, undefined);
  assert.match(verdicts[0]?.reason ?? "", /no attestor instance "token" is configured/);
  assert.deepEqual(
    rules.inactive().map(({ rule: name }) => name),
    ["workloads"],
  );
});

test("every rule with roles that the attributes match is told, decisive or not", () => {
  const rules = parse(
    rule({ name: "plain", priority: 9 }),
    rule({ name: "hidden", match: { "token.service": "c*" }, roles: ["auditor"] }),
    rule({ name: "other", match: { "token.service": "x" }, roles: ["admin"] }),
  );
  assert.deepEqual(rules.roleBearingMatches(attributes(cart)), ["hidden"]);
});

test("without the role operator only the rules that match are shown", () => {
  const rules = parse(rule({ name: "mine" }), rule({ name: "secret", match: { "token.service": "payroll" } }));
  const { verdicts } = rules.evaluate(attributes(cart));
  assert.deepEqual(
    visibleVerdicts(verdicts, false).map(({ rule: name }) => name),
    ["mine"],
  );
  assert.equal(visibleVerdicts(verdicts, true).length, 2);
});

test("a join token earns no roles by a rule that is newer than itself", () => {
  const stored = (changes: Record<string, unknown>, revision: bigint) => {
    const definition = parse(rule(changes)).rules[0]?.definition;
    assert(definition);
    return RuleSet.load([{ definition, source: "api", revision }], context, revision);
  };
  const subject = (rulesRevision?: bigint) => ({ attributes: attributes(cart), rulesRevision });
  const admins = stored({ roles: ["admin"] }, 7n);
  assert.throws(() => admins.enrol(subject(6n)), { code: "MCA_RULE_NEWER_THAN_TOKEN" });
  assert.equal(admins.enrol(subject(7n)).rule, "workloads");
  // Evidence that nobody of ours made has no such bound, nor has a rule without roles.
  assert.equal(admins.enrol(subject()).rule, "workloads");
  assert.equal(stored({}, 7n).enrol(subject(6n)).rule, "workloads");
  assert.throws(() => stored({ match: { "token.service": "x" } }, 7n).enrol(subject(7n)), {
    code: "MCA_NO_RULE_MATCHES",
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { RuleError } from "../../../src/identity-api/registry/index.ts";
import { parse, rule } from "./support.ts";

/** The rule is refused for this field, with a sentence that fits. */
function refused(changes: Readonly<Record<string, unknown>>, field: string, sentence: RegExp): void {
  assert.throws(
    () => parse(rule(changes)),
    (error: unknown) => {
      assert(error instanceof RuleError);
      assert.equal(error.code, "MCA_RULE_INVALID");
      assert.equal(error.details["field"], field);
      assert.match(error.message, sentence);
      return true;
    },
  );
}

test("a rule gets its defaults", () => {
  const [stored] = parse(rule()).rules;
  assert.deepEqual(stored?.definition, {
    name: "workloads",
    priority: 0,
    match: new Map([["token.service", "*"]]),
    spiffeId: "spiffe://{trustDomain}/{token.service}",
    dnsNames: [],
    ttlSeconds: 0,
    roles: [],
    renewAfterExpirySeconds: undefined,
    maxLineageAgeSeconds: 0,
  });
});

test("an unknown field is refused, and the nearest known one is named", () => {
  refused({ ttlSecond: 60 }, "ttlSecond", /no field of a rule.*Did you mean "ttlSeconds"/);
  refused({ matches: {} }, "matches", /Did you mean "match"/);
});

test("a field of Object.prototype is no field of a rule", () => {
  assert.throws(() => parse(JSON.parse('{"__proto__": {"name": "x"}, "match": {"token.a": "b"}}')), RuleError);
  refused({ constructor: "x" }, "constructor", /no field/);
});

test("what an object inherits is not part of a rule", () => {
  const inherited: Record<string, unknown> = Object.assign(Object.create({ roles: ["admin"], priority: 9 }), rule());
  assert.deepEqual(parse(inherited).rules[0]?.definition.roles, []);
  assert.equal(parse(inherited).rules[0]?.definition.priority, 0);
});

test("wrong types are refused and not converted", () => {
  refused({ priority: "1" }, "priority", /whole number/);
  refused({ priority: 1.5 }, "priority", /whole number/);
  refused({ ttlSeconds: -1 }, "ttlSeconds", /whole number/);
  refused({ match: { "token.service": 7 } }, "match", /not a text/);
  refused({ match: ["token.service"] }, "match", /write an object/);
  refused({ dnsNames: "a.example" }, "dnsNames", /list/);
  refused({ roles: "admin" }, "roles", /list/);
  refused({ spiffeId: "" }, "spiffeId", /not empty/);
});

test("a name is plain characters", () => {
  for (const name of ["", " ", "a b", "-a", "a\n", "ä", "x".repeat(129), 7, null]) {
    refused({ name }, "name", /1 to 128/);
  }
});

test("a rule that asks for nothing is refused: it would match everybody", () => {
  refused({ match: {} }, "match", /match everybody/);
});

test("an unknown role is refused, and the nearest known one is named", () => {
  refused({ roles: ["administrator"] }, "roles", /Known here: auditor, operator, admin/);
  refused({ roles: ["admin", "admin"] }, "roles", /twice/);
});

test("a selector names a configured attestor instance", () => {
  refused({ match: { "tokn.service": "*" } }, "match", /no attestor instance "tokn".*Did you mean "token"/);
  refused({ match: { service: "*" } }, "match", /not of the form/);
  refused({ match: { "token.": "*" } }, "match", /not of the form/);
  refused({ match: { "token.a.b": "*" } }, "match", /not of the form/);
});

test("a selector names an attribute that its attestor can establish", () => {
  refused(
    { match: { "k8s-prod.namspace": "shop" }, spiffeId: "spiffe://{trustDomain}/x" },
    "match",
    /establishes no such attribute.*Did you mean "namespace"/,
  );
});

test("selectors of two attestor instances could never match together and are refused", () => {
  refused(
    { match: { "k8s-prod.namespace": "shop", "k8s-test.namespace": "shop" }, spiffeId: "spiffe://{trustDomain}/x" },
    "match",
    /one attestor instance at a time/,
  );
});

test("attributes that a host agent asserts are refused by name", () => {
  refused({ match: { "agent.uid": "1000" }, spiffeId: "spiffe://{trustDomain}/x" }, "match", /not supported/);
});

test("glob syntax that would silently mean something else is refused", () => {
  for (const pattern of ["a?*", "[ab]*", "{a,b}*", "\\*"]) {
    refused({ match: { "token.service": pattern } }, 'match "token.service"', /no meaning in a glob/);
  }
  refused({ match: { "token.service": "a**" } }, 'match "token.service"', /not supported/);
  refused({ match: { "token.service": "" } }, 'match "token.service"', /never match/);
  refused({ match: { "token.service": "a".repeat(513) } }, 'match "token.service"', /longer/);
});

test("lifetimes stay inside the bounds of the configuration", () => {
  refused({ ttlSeconds: 86_401 }, "ttlSeconds", /more than issuance.maxTtlSeconds/);
  refused({ ttlSeconds: 599 }, "ttlSeconds", /less than issuance.minTtlSeconds/);
  refused({ ttlSeconds: 86_400, maxLineageAgeSeconds: 3600 }, "maxLineageAgeSeconds", /shorter than one certificate/);
  assert.equal(parse(rule({ ttlSeconds: 600 })).rules.length, 1);
});

test("two rules of one name are refused", () => {
  assert.throws(() => parse(rule(), rule()), /two rules have this name/);
});

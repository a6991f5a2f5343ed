// Which DNS names rules may ever grant: an enterprise CA's name constraints are compared with it, so it must never be too little.
import assert from "node:assert/strict";
import { test } from "node:test";
import { attributes, parse, rule } from "./support.ts";

const grantsOf = (dnsNames: readonly string[], match: Record<string, string> = { "token.service": "*" }) =>
  parse(rule({ dnsNames, match })).dnsGrants();

for (const [what, template, expected] of [
  [
    "a name without placeholders is itself",
    "cart.shop.example.test",
    { kind: "exact", name: "cart.shop.example.test" },
  ],
  ["the trust domain is text", "cart.{trustDomain}", { kind: "exact", name: "cart.example.test" }],
  ["a whole label is open", "{token.service}.svc.example.test", { kind: "below", suffix: "svc.example.test" }],
  [
    "part of a label is open, and with it the label",
    "{token.service}-api.example.test",
    { kind: "below", suffix: "example.test" },
  ],
  [
    "what stands before the placeholder bounds nothing",
    "api.{token.service}.example.test",
    { kind: "below", suffix: "example.test" },
  ],
  ["a placeholder at the end could be any name", "cart.{token.service}", { kind: "any" }],
  ["a placeholder alone is any name", "{token.service}", { kind: "any" }],
] as const) {
  test(`DNS grants: ${what}`, () => assert.deepEqual(grantsOf([template]), [expected]));
}

test("DNS grants: a selector that fixes the value fixes the name", () => {
  const match = { "token.service": "cart" };
  assert.deepEqual(grantsOf(["{token.service}.example.test"], match), [{ kind: "exact", name: "cart.example.test" }]);
});

test("DNS grants: a glob bounds by what it ends with", () => {
  const match = { "token.service": "*.shop.example.test" };
  assert.deepEqual(grantsOf(["{token.service}"], match), [{ kind: "below", suffix: "shop.example.test" }]);
  assert.deepEqual(grantsOf(["{token.service}"], { "token.service": "cart*" }), [{ kind: "any" }]);
});

test("DNS grants: of all rules, each once", () => {
  const rules = parse(
    rule({ name: "a", dnsNames: ["{token.service}.example.test", "b.example.test"] }),
    rule({ name: "b", dnsNames: ["{token.service}.example.test"] }),
    rule({ name: "c" }),
  );
  assert.equal(rules.dnsGrants().length, 2);
});

test("every name that a rule grants lies within its DNS grants", () => {
  const templates = ["{token.service}.svc.example.test", "x-{token.service}.example.test", "{token.service}"];
  for (const value of ["a", "b-c", "d9"]) {
    for (const template of templates) {
      const rules = parse(rule({ dnsNames: [template] }));
      const name = rules.evaluate(attributes({ "token.service": value })).grant?.dnsNames[0] ?? "";
      const [grant] = rules.dnsGrants();
      assert.ok(grant !== undefined && name !== "");
      if (grant.kind === "below") assert.ok(name.endsWith(`.${grant.suffix}`), `${name} is not below ${grant.suffix}`);
      else assert.equal(grant.kind, "any");
    }
  }
});

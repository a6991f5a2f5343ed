// Attributes come from outsiders. Whatever they hold, a rule yields an ID of exactly the shape that its author wrote, or nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse, rule } from "../identity-api/registry/support.ts";

const shaped = parse(
  rule({
    match: { "token.service": "*", "token.team": "*" },
    spiffeId: "spiffe://{trustDomain}/team/{token.team}/svc-{token.service}",
    dnsNames: ["{token.service}.{token.team}.mesh.example"],
  }),
);
const free = parse(rule({ spiffeId: "spiffe://{trustDomain}/{token.service}" }));

function evaluate(rules: typeof shaped, service: string, team = "a") {
  return rules.evaluate(
    new Map([
      ["token.service", service],
      ["token.team", team],
    ]),
  );
}

for (const [name, value] of Object.entries({
  "a path segment": "a/b",
  "a parent segment": "../admin",
  "an encoded slash": "a%2fb",
  "an encoded dot": "%2e%2e",
  "a query": "a?b",
  "a fragment": "a#b",
  "a user": "a@b",
  "a port": "a:b",
  "a backslash": "a\\b",
  "a space": "a b",
  "a line break": "a\nb",
  "a trailing line break": "a\n",
  "a NUL": "a\0",
  "a placeholder": "{trustDomain}",
  "a full-width slash": "a／b",
  "a letter that folds to ASCII": "ſa",
  "the Kelvin sign": "\u212a",
  "a lone surrogate": "\ud800",
  "a replacement pattern": "$&",
})) {
  test(`an attribute with ${name} is refused, not sanitized`, () => {
    for (const rules of [shaped, free]) {
      const { grant, refusal } = evaluate(rules, value);
      assert.equal(grant, undefined);
      // A slash already keeps a lone star from matching; everything else reaches the template and is refused there.
      const expected = value.includes("/") ? "MCA_NO_RULE_MATCHES" : "MCA_RULE_ATTRIBUTE_REFUSED";
      assert.equal(refusal?.code, expected);
    }
  });
}

test("an attribute that its selector lets through with a slash is refused by the template", () => {
  const rules = parse(
    rule({ match: { "token.service": "*/*", "token.team": "*" }, spiffeId: "spiffe://{trustDomain}/{token.team}" }),
  );
  assert.equal(
    rules
      .evaluate(
        new Map([
          ["token.service", "a/b"],
          ["token.team", "x"],
        ]),
      )
      .grant?.spiffeId.toString(),
    "spiffe://example.test/x",
  );
  assert.throws(() => parse(rule({ match: { "token.service": "*/*" } })), /can never be part of this name/);
});

test("no attribute yields a reserved ID or a dot segment", () => {
  for (const value of ["mesh-ca", ".", ".."]) {
    assert.equal(evaluate(free, value).refusal?.code, "MCA_RULE_ATTRIBUTE_REFUSED", value);
  }
  const split = parse(
    rule({ match: { "token.a": "*", "token.b": "*" }, spiffeId: "spiffe://{trustDomain}/{token.a}{token.b}/server" }),
  );
  const refused = split.evaluate(
    new Map([
      ["token.a", "mesh"],
      ["token.b", "-ca"],
    ]),
  );
  assert.equal(refused.refusal?.code, "MCA_RULE_ATTRIBUTE_REFUSED");
  const dots = split.evaluate(
    new Map([
      ["token.a", "."],
      ["token.b", "."],
    ]),
  );
  assert.equal(dots.refusal?.code, "MCA_RULE_ATTRIBUTE_REFUSED");
});

test("an attribute that makes the ID too long is refused", () => {
  const segment = "a".repeat(1000);
  const rules = parse(rule({ spiffeId: `spiffe://{trustDomain}${"/{token.service}".repeat(3)}` }));
  assert.equal(rules.evaluate(new Map([["token.service", segment]])).refusal?.code, "MCA_RULE_ATTRIBUTE_REFUSED");
});

test("an attribute does not add labels to a DNS name, nor change its case", () => {
  for (const value of ["a.evil", "A", "a_b", "-a", "*"]) {
    assert.equal(evaluate(shaped, value).grant, undefined, value);
  }
});

test("an empty attribute is not established", () => {
  assert.equal(evaluate(free, "").refusal?.code, "MCA_NO_RULE_MATCHES");
});

test("whatever attributes say, the ID has the shape of the template, or there is none", () => {
  const anything = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.stringMatching(/^[a-z0-9./%{}*~-]{0,12}$/),
    fc.constantFrom("mesh-ca", "..", ".", "a/b", "{token.team}", "svc-a"),
  );
  const shape = /^spiffe:\/\/example\.test\/team\/[a-zA-Z0-9._-]+\/svc-[a-zA-Z0-9._-]+$/;
  const dns = /^[a-z0-9-]+\.[a-z0-9-]+\.mesh\.example$/;
  let granted = 0;
  fc.assert(
    fc.property(anything, anything, (service, team) => {
      const { grant, refusal } = evaluate(shaped, service, team);
      assert.equal(grant === undefined, refusal !== undefined);
      if (grant === undefined) return;
      granted++;
      assert.match(grant.spiffeId.toString(), shape);
      assert.equal(grant.spiffeId.toString(), `spiffe://example.test/team/${team}/svc-${service}`);
      assert.equal(grant.spiffeId.isReserved, false);
      for (const name of grant.dnsNames) assert.match(name, dns);
    }),
    { numRuns: 5000 },
  );
  assert(granted > 20, `only ${granted} grants: the property proved little`);
});

test("whatever is written as a rule is taken or refused with a RuleError, and never yields a reserved or foreign ID", () => {
  const fragment = fc.constantFrom(
    "spiffe://",
    "{trustDomain}",
    "example.test",
    "other.test",
    "/",
    "mesh-ca",
    "..",
    "{token.service}",
    "{token.x}",
    "a",
    "%",
    "{",
    "}",
    ":",
    "@",
  );
  const template = fc.array(fragment, { maxLength: 8 }).map((parts) => parts.join(""));
  const prefixed = template.map((text) => `spiffe://{trustDomain}/${text}`);
  fc.assert(
    fc.property(fc.oneof(template, prefixed), fc.constantFrom("cart", "mesh-ca", "..", "a/b"), (spiffeId, service) => {
      let rules: ReturnType<typeof parse>;
      try {
        rules = parse(rule({ spiffeId }));
      } catch (error) {
        assert.equal(error instanceof Error && error.name, "RuleError");
        return;
      }
      const { grant } = rules.evaluate(new Map([["token.service", service]]));
      if (grant === undefined) return;
      assert.equal(grant.spiffeId.trustDomain.name, "example.test");
      assert.equal(grant.spiffeId.isReserved, false);
    }),
    { numRuns: 3000 },
  );
});

test("precedence is a total order: the decision does not depend on the order in which rules were written", () => {
  const written = fc.record({
    priority: fc.integer({ min: -2, max: 2 }),
    env: fc.constantFrom("*", "prod", undefined),
  });
  fc.assert(
    fc.property(fc.array(written, { minLength: 1, maxLength: 6 }), fc.integer(), (given, seed) => {
      const rules = given.map(({ priority, env }, index) =>
        rule({
          name: `r${index}`,
          priority,
          match: { "token.service": "*", ...(env === undefined ? {} : { "token.env": env }) },
          spiffeId: `spiffe://{trustDomain}/r${index}`,
        }),
      );
      const shuffled = [...rules]
        .sort((a, b) => (String(a["name"]) + seed).localeCompare(String(b["name"]) + seed))
        .reverse();
      const attributes = new Map([
        ["token.service", "cart"],
        ["token.env", "prod"],
      ]);
      assert.equal(parse(...rules).enrol({ attributes }).rule, parse(...rules).evaluate(attributes).grant?.rule);
      assert.equal(
        parse(...rules).evaluate(attributes).grant?.rule,
        parse(...shuffled).evaluate(attributes).grant?.rule,
      );
    }),
  );
});

test("enrolment decides as the explanation says, grant for grant and refusal for refusal", () => {
  const name = fc.constantFrom("token.service", "token.env", "corp.commonName", "agent.uid");
  const value = fc.constantFrom("cart", "prod", "a/b", "mesh-ca", "", "CART");
  const selector = fc.tuple(
    fc.constantFrom("token.service", "token.env"),
    fc.constantFrom("*", "c*", "prod", "cart", "*/*"),
  );
  const written = fc.record({
    priority: fc.integer({ min: 0, max: 2 }),
    match: fc.array(selector, { minLength: 1, maxLength: 2 }),
  });
  const established = fc.array(fc.tuple(name, value), { maxLength: 3 }).map((pairs) => new Map(pairs));
  fc.assert(
    fc.property(fc.array(written, { maxLength: 4 }), established, (given, attributes) => {
      const rules = parse(
        ...given.map(({ priority, match }, index) =>
          rule({
            name: `r${index}`,
            priority,
            match: Object.fromEntries(match),
            spiffeId: `spiffe://{trustDomain}/r${index}`,
          }),
        ),
      );
      const { grant, refusal } = rules.evaluate(attributes);
      let enrolled: unknown;
      try {
        enrolled = rules.enrol({ attributes });
      } catch (error) {
        assert.deepEqual(error, refusal);
        return;
      }
      assert.deepEqual(enrolled, grant);
    }),
    { numRuns: 2000 },
  );
});

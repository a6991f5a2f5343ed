import assert from "node:assert/strict";
import { test } from "node:test";
import { RuleError } from "../../../src/identity-api/registry/index.ts";
import { attributes, idOf, parse, rule } from "./support.ts";

function refusedAtLoad(changes: Readonly<Record<string, unknown>>, sentence: RegExp): void {
  assert.throws(
    () => parse(rule(changes)),
    (error: unknown) => error instanceof RuleError && sentence.test(error.message),
    `expected ${sentence}`,
  );
}

test("placeholders are filled from the attributes", () => {
  const rules = parse(
    rule({
      match: { "k8s-prod.namespace": "shop", "k8s-prod.serviceAccount": "*" },
      spiffeId: "spiffe://{trustDomain}/ns/{k8s-prod.namespace}/sa/{k8s-prod.serviceAccount}",
    }),
  );
  const id = idOf(rules, { "k8s-prod.namespace": "shop", "k8s-prod.serviceAccount": "cart" });
  assert.equal(id, "spiffe://example.test/ns/shop/sa/cart");
});

test("the trust domain may be written out, but only our own", () => {
  assert.equal(
    idOf(parse(rule({ spiffeId: "spiffe://example.test/a" })), { "token.service": "x" }),
    "spiffe://example.test/a",
  );
  refusedAtLoad({ spiffeId: "spiffe://other.test/a" }, /must begin with/);
  refusedAtLoad({ spiffeId: "spiffe://{token.service}/a" }, /must begin with/);
  refusedAtLoad({ spiffeId: "spiffe://example.testing/a" }, /must begin with/);
  refusedAtLoad({ spiffeId: "https://example.test/a" }, /must begin with/);
  refusedAtLoad({ spiffeId: "SPIFFE://{trustDomain}/a" }, /must begin with/);
});

test("an identity has a path", () => {
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}" }, /must begin with/);
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/" }, /no valid SPIFFE ID/);
});

test("a placeholder that match does not bind is an error at load", () => {
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/{token.other}" }, /not bound.*Known here: token.service/);
  refusedAtLoad({ dnsNames: ["{token.other}.example"] }, /not bound/);
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/{service}" }, /no placeholder/);
});

test("a brace that is no placeholder is an error at load", () => {
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/{token.service" }, /never closed/);
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/a}" }, /without a "\{"/);
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/{{token.service}}" }, /no placeholder/);
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/{}" }, /no placeholder/);
});

test("a template whose ID can never be valid is an error at load", () => {
  for (const path of ["//a", "/a/", "/a b", "/a%20b", "/.", "/a/../b", "/ä", "/a?b", "/a#b"]) {
    refusedAtLoad({ spiffeId: `spiffe://{trustDomain}${path}` }, /no valid SPIFFE ID/);
  }
  refusedAtLoad({ match: { "token.service": "a/b" } }, /can never be part of this name/);
  refusedAtLoad({ match: { "token.service": "a/*" } }, /can never be part of this name/);
});

test("a reserved ID is an error at load where that is certain", () => {
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/mesh-ca" }, /reserved/);
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/mesh-ca/server" }, /reserved/);
  refusedAtLoad({ spiffeId: "spiffe://{trustDomain}/mesh-ca/{token.service}" }, /reserved/);
  refusedAtLoad({ match: { "token.service": "mesh-ca" } }, /reserved/);
  refusedAtLoad(
    { match: { "token.service": "ca" }, spiffeId: "spiffe://{trustDomain}/mesh-{token.service}/x" },
    /reserved/,
  );
});

test("names that only resemble the reserved ones are free", () => {
  assert.equal(
    idOf(parse(rule({ spiffeId: "spiffe://{trustDomain}/mesh-cat" })), { "token.service": "x" }),
    "spiffe://example.test/mesh-cat",
  );
  assert.equal(
    idOf(parse(rule({ spiffeId: "spiffe://{trustDomain}/a/mesh-ca" })), { "token.service": "x" }),
    "spiffe://example.test/a/mesh-ca",
  );
});

test("DNS names are filled and validated", () => {
  const rules = parse(
    rule({ dnsNames: ["{token.service}.mesh.example", "{token.service}", "{token.service}.mesh.example"].slice(0, 2) }),
  );
  assert.deepEqual(rules.evaluate(attributes({ "token.service": "cart" })).grant?.dnsNames, [
    "cart.mesh.example",
    "cart",
  ]);
});

test("two templates that make the same DNS name give it once", () => {
  const rules = parse(rule({ dnsNames: ["{token.service}.example", "cart.example"] }));
  assert.deepEqual(rules.evaluate(attributes({ "token.service": "cart" })).grant?.dnsNames, ["cart.example"]);
});

test("a DNS name that can never be valid is an error at load", () => {
  for (const name of [
    "a..b",
    ".a",
    "a.",
    "-a.b",
    "a-.b",
    "a_b",
    "A.example",
    "10.0.0.1",
    "a b",
    `${"a".repeat(64)}.b`,
    `${"a.".repeat(127)}a`,
  ]) {
    refusedAtLoad({ dnsNames: [name] }, /no valid DNS name/);
  }
});

test("wildcard DNS names are refused, also where an attribute would bring the star", () => {
  refusedAtLoad({ dnsNames: ["*.example.test"] }, /wildcard/);
  const rules = parse(
    rule({ match: { "corp.dns": "*" }, spiffeId: "spiffe://{trustDomain}/x", dnsNames: ["{corp.dns}"] }),
  );
  assert.equal(
    rules.evaluate(attributes({ "corp.dns": "*.example.test" })).refusal?.code,
    "MCA_RULE_ATTRIBUTE_REFUSED",
  );
});

test("a whole-name placeholder may bring dots, a partial one may not", () => {
  const whole = parse(
    rule({ match: { "corp.dns": "*" }, spiffeId: "spiffe://{trustDomain}/x", dnsNames: ["{corp.dns}"] }),
  );
  assert.deepEqual(whole.evaluate(attributes({ "corp.dns": "db1.corp.example" })).grant?.dnsNames, [
    "db1.corp.example",
  ]);
  const part = parse(
    rule({ match: { "corp.dns": "*" }, spiffeId: "spiffe://{trustDomain}/x", dnsNames: ["{corp.dns}.mesh"] }),
  );
  assert.equal(part.evaluate(attributes({ "corp.dns": "a.b" })).refusal?.code, "MCA_RULE_ATTRIBUTE_REFUSED");
});

// What a policy file may say, and what is refused at load.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Check } from "typebox/value";
import { readProjectFile } from "../../../scripts/lib/files.ts";
import { assemblePolicies } from "../../../src/proxy-tls/policy/assemble.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { policyJsonSchema } from "../../../src/proxy-tls/policy/schema.ts";
import { parseConfigText } from "../../../src/runtime/config/index.ts";
import { anyPolicies } from "../support/any-policies.ts";
import { ANYBODY, allow, deny, policySet, refusedFile, refusedPolicies } from "../support/policy.ts";

const at = { name: "p", action: "allow" };

test("the example of the documentation's form loads, from YAML and from JSON", () => {
  const text = `policies:
  - name: cart-reads
    action: allow
    listeners: [web]
    rules:
      - from: {ids: [spiffe://example.test/ns/shop/**]}
        to: {methods: [GET], paths: [/items/**]}
  - name: no-admin
    action: deny
    dryRun: true
    rules: [{to: {paths: [/admin/**]}}]
`;
  assert.equal(parsePolicies(parseConfigText(text, "p.yaml")).policies.length, 2);
  const json = JSON.stringify(parseConfigText(text, "p.yaml"));
  assert.equal(parsePolicies(parseConfigText(json, "p.json")).policies.length, 2);
});

test("the example of the documentation loads, and fits the published schema", () => {
  const [, example] = /```yaml\n(.*?)```/s.exec(readProjectFile("docs/policies.md")) ?? [];
  const document = parseConfigText(example ?? "", "docs/policies.md");
  assert.equal(parsePolicies(document).policies.length, 3);
  assert(Check(policyJsonSchema(), document));
});

test("the published schema takes what loads, and refuses what is empty or unknown", () => {
  fc.assert(
    fc.property(anyPolicies(), (policies) => {
      parsePolicies({ policies });
      assert(Check(policyJsonSchema(), { policies }));
    }),
    { numRuns: 200 },
  );
  for (const [what, policy] of EMPTY) assert(!Check(policyJsonSchema(), { policies: [policy] }), what);
  assert(!Check(policyJsonSchema(), { policies: [{ ...at, rules: [{ to: { path: ["/"] } }] }] }));
});

test("what policies were made of can be handed on and makes the same", () => {
  const set = policySet(allow(ANYBODY), deny({ to: { paths: ["/a"] } }));
  const copy = assemblePolicies(JSON.parse(JSON.stringify(set.document)));
  assert.deepEqual(
    copy.policies.map(({ name }) => name),
    ["allow", "deny"],
  );
});

const EMPTY: readonly (readonly [what: string, policy: object])[] = [
  ["no rules", { ...at, rules: [] }],
  ["an empty rule", { ...at, rules: [{}] }],
  ["an empty rule beside another", { ...at, rules: [ANYBODY, {}] }],
  ["an empty group", { ...at, rules: [{ ...ANYBODY, to: {} }] }],
  ["an empty list", { ...at, rules: [{ ...ANYBODY, to: { paths: [] } }] }],
  ["an empty list of a not", { ...at, rules: [{ ...ANYBODY, to: { notPaths: [] } }] }],
  ["an empty text", { ...at, rules: [{ to: { paths: [""] } }] }],
  ["a value that is not there (null)", { ...at, rules: [{ ...ANYBODY, to: { paths: null } }] }],
  ["a list with nothing in a place", { ...at, rules: [{ to: { paths: ["/a", null] } }] }],
  ["a group that is not there (null)", { ...at, rules: [{ ...ANYBODY, to: null }] }],
  ["no headers", { ...at, rules: [{ ...ANYBODY, when: { headers: [] } }] }],
  ["no values of a header", { ...at, rules: [{ when: { headers: [{ name: "x-a", values: [] }] } }] }],
  ["no listeners", { ...at, listeners: [], rules: [ANYBODY] }],
];

for (const [what, policy] of EMPTY) {
  test(`an empty match is an error: ${what}`, () => {
    const error = refusedPolicies(policy);
    assert.equal(error.code, "MCA_PROXY_POLICY_INVALID");
    assert.match(error.message, /is empty/);
  });
}

test("an empty file is an error, an empty list of policies denies everything", () => {
  for (const value of [null, {}, [], "", undefined]) {
    assert.equal(refusedFile(value).code, "MCA_PROXY_POLICY_INVALID", String(value));
  }
  assert.equal(refusedFile(parseConfigText("", "p.yaml")).code, "MCA_PROXY_POLICY_INVALID");
  assert.equal(refusedFile({ policies: null }).code, "MCA_PROXY_POLICY_INVALID");
  assert.equal(policySet().policies.length, 0);
});

test("a file that is nested deeper than any policy goes is refused, and exhausts nothing", () => {
  let value: unknown = "x";
  for (let depth = 0; depth < 100_000; depth += 1) value = [value];
  assert.match(refusedFile({ policies: value }).message, /nested too deeply/);
});

test("an unknown key is refused with the nearest known one", () => {
  for (const [policy, hint] of [
    [{ ...at, rules: [{ to: { path: ["/"] } }] }, /to\.path is not a known key.*to\.paths/],
    [{ ...at, rules: [{ from: { id: ["x"] } }] }, /from\.ids/],
    [{ ...at, rules: [ANYBODY], dryrun: true }, /dryRun/],
    [{ ...at, rules: [{ ...ANYBODY, whn: { headers: [{ name: "a", present: true }] } }] }, /when/],
    [{ ...at, rules: [{ when: { headers: [{ name: "x-a", value: "1" }] } }] }, /values/],
  ] as const) {
    const error = refusedPolicies(policy);
    assert.equal(error.code, "MCA_CONFIG_UNKNOWN_KEY");
    assert.match(error.message, hint);
  }
});

test("what is not supported yet says so", () => {
  for (const policy of [
    { ...at, action: "custom", rules: [ANYBODY] },
    { ...at, action: "CUSTOM", rules: [ANYBODY] },
    { ...at, provider: { name: "opa" }, rules: [ANYBODY] },
    { ...at, rules: [{ ...ANYBODY, when: { claims: [{ name: "iss", values: ["x"] }] } }] },
    { ...at, rules: [{ ...ANYBODY, when: { notClaims: [] } }] },
    { ...at, rules: [{ from: { requestPrincipals: ["*"] } }] },
    { ...at, mode: "permissive", rules: [ANYBODY] },
    { ...at, permissive: true, rules: [ANYBODY] },
  ]) {
    const error = refusedPolicies(policy);
    assert.equal(error.code, "MCA_CONFIG_UNSUPPORTED", error.message);
    assert.match(error.message, /not supported yet/);
  }
});

test("two policies of one name are refused", () => {
  const error = refusedPolicies(allow(ANYBODY), deny(ANYBODY, { name: "allow" }));
  assert.equal(error.code, "MCA_PROXY_POLICY_INVALID");
  assert.match(error.message, /Two policies are called allow/);
});

test("required keys are required, and types are kept", () => {
  for (const policy of [
    { action: "allow", rules: [ANYBODY] },
    { name: "p", rules: [ANYBODY] },
    at,
    { ...at, action: "permit", rules: [ANYBODY] },
    { ...at, dryRun: "yes", rules: [ANYBODY] },
    { ...at, rules: ANYBODY },
    { ...at, rules: [{ to: { paths: "/a" } }] },
    { ...at, rules: [{ to: { ports: ["8443"] } }] },
    { ...at, rules: [{ to: { ports: [0] } }] },
    { ...at, rules: [{ to: { ports: [65_536] } }] },
    { ...at, rules: [{ to: { ports: [1.5] } }] },
    { ...at, rules: [{ when: { headers: [{ name: "x-a", values: [1] }] } }] },
    { ...at, name: "a b", rules: [ANYBODY] },
    { ...at, name: 7, rules: [ANYBODY] },
    "allow",
  ]) {
    assert.match(refusedFile({ policies: [policy] }).code, /^MCA_CONFIG_/, JSON.stringify(policy));
  }
});

const NEVER: readonly (readonly [rule: object, why: RegExp])[] = [
  [{ from: { ids: ["spiffe://example.test"] } }, /spiffe:\/\/example\.test\/\*/],
  [{ from: { ids: ["spiffe://example.test/ns/*"] } }, /\/ns\/\*\*/],
  [{ from: { ids: ["spiffe://example.test/**"] } }, /spiffe:\/\/example\.test\/\*/],
  [{ from: { ids: ["spiffe://example.test/ns/*/sa/x"] } }, /takes no \*/],
  [{ from: { ids: ["spiffe://example.test/ns*/**"] } }, /takes no \*/],
  [{ from: { ids: ["spiffe://example.test/ns/a**"] } }, /takes no \*/],
  [{ from: { ids: ["*"] } }, /takes no \*/],
  [{ from: { ids: ["/*"] } }, /begins with spiffe:/],
  [{ from: { ids: ["spiffe://*/x"] } }, /takes no \*/],
  [{ from: { ids: ["spiffe://Example.test/x"] } }, /trust domain/],
  [{ from: { ids: ["SPIFFE://example.test/x"] } }, /lower case/],
  [{ from: { notIds: ["spiffe://example.test/x/"] } }, /path/],
  [{ from: { notIds: ["spiffe://example.test/x//**"] } }, /path/],
  [{ from: { ids: ["spiffe://example.test/../**"] } }, /\.\./],
  [{ to: { methods: ["get"] } }, /case-sensitive/],
  [{ to: { methods: ["*"] } }, /no wildcard/],
  [{ to: { notMethods: ["GET "] } }, /case-sensitive/],
  [{ to: { paths: ["a"] } }, /begins with \//],
  [{ to: { paths: ["*"] } }, /begins with \//],
  [{ to: { paths: ["/**/a"] } }, /only at the end/],
  [{ to: { paths: ["/a**"] } }, /only at the end/],
  [{ to: { paths: ["/a/***"] } }, /only at the end/],
  [{ to: { paths: ["/a?b=c"] } }, /query/],
  [{ to: { paths: ["/a/%2a"] } }, /%2A/],
  [{ to: { paths: ["/a/%2A"] } }, /%2A cannot/],
  [{ to: { paths: ["/a/../b"] } }, /dot-segment/],
  [{ to: { paths: ["/a//b"] } }, /double-slash/],
  [{ to: { paths: ["/a/b//**"] } }, /double-slash/],
  [{ to: { paths: ["/%61dmin"] } }, /encoded-unreserved/],
  [{ to: { paths: ["/a%2fb"] } }, /encoded-slash/],
  [{ to: { paths: ["/a b"] } }, /path-character/],
  [{ to: { paths: ["/a;b"] } }, /semicolon/],
  [{ to: { paths: ["/a#b"] } }, /path-character/],
  [{ to: { notPaths: ["/%ff"] } }, /utf8/],
  [{ to: { hosts: ["https://shop.test"] } }, /without a scheme/],
  [{ to: { hosts: ["shop.test/a"] } }, /without a scheme/],
  [{ to: { hosts: ["**.test"] } }, /one label/],
  [{ to: { hosts: ["a..test"] } }, /host/],
  [{ to: { hosts: ["shop.test:"] } }, /host/],
  [{ to: { hosts: ["shop.test:*"] } }, /host/],
  [{ to: { notHosts: ["shop test"] } }, /host/],
  [{ when: { sourceCidrs: ["10.0.0.1/8"] } }, /Bits are set/],
  [{ when: { sourceCidrs: ["10.0.0.0/33"] } }, /0 to 32/],
  [{ when: { sourceCidrs: ["10.0.0.0/08"] } }, /0 to 32/],
  [{ when: { sourceCidrs: ["10.0.0.0/"] } }, /0 to 32/],
  [{ when: { sourceCidrs: ["10.0.0"] } }, /no address/],
  [{ when: { sourceCidrs: ["2001:db8::1/32"] } }, /Bits are set/],
  [{ when: { sourceCidrs: ["2001:db8::/129"] } }, /0 to 128/],
  [{ when: { sourceCidrs: ["::ffff:10.0.0.0/104"] } }, /as IPv6/],
  [{ when: { sourceCidrs: ["fe80::1%eth0"] } }, /no address/],
  [{ when: { notSourceCidrs: ["localhost"] } }, /no address/],
  [{ when: { headers: [{ name: "x-a" }] } }, /says nothing/],
  [{ when: { headers: [{ name: "x-a", present: false, values: ["1"] }] } }, /no value/],
  [{ when: { headers: [{ name: "Host", values: ["a.test"] }] } }, /to\.hosts/],
  [{ when: { headers: [{ name: "X-Forwarded-For", values: ["1"] }] } }, /do not see/],
  [{ when: { headers: [{ name: "x-forwarded-client-cert", present: true }] } }, /do not see/],
  [{ when: { headers: [{ name: "connection", values: ["close"] }] } }, /do not see/],
  [{ when: { headers: [{ name: "content-length", values: ["0"] }] } }, /do not see/],
  [{ when: { headers: [{ name: "x-a", values: ["a*"] }] } }, /no \*/],
  [{ when: { headers: [{ name: "x-a", values: [" a"] }] } }, /white space/],
  [{ when: { headers: [{ name: "x-a", notValues: ["a "] }] } }, /white space/],
];

for (const [rule, why] of NEVER) {
  test(`what could never match is an error: ${JSON.stringify(rule)}`, () => {
    const error = refusedPolicies({ name: "p", action: "deny", rules: [ANYBODY, rule] });
    assert.equal(error.code, "MCA_PROXY_POLICY_INVALID", error.message);
    assert.match(error.message, why);
    assert.match(error.message, /^Policy p, policies\[0\]\.rules\[1\]\.(?:from|to|when)\./);
  });
}

test("what is refused is told by its place and by what stands there", () => {
  const header = { name: "X-A", values: ["1", "2 "] };
  for (const [rule, place] of [
    [{ to: { paths: ["/a", "/b c"] } }, 'to.paths[1] ("/b c")'],
    [{ from: { notIds: ["x"] } }, 'from.notIds[0] ("x")'],
    [{ to: { methods: ["GET", "get"] } }, 'to.methods[1] ("get")'],
    [{ to: { hosts: ["a.test", "b.test", "c/d"] } }, 'to.hosts[2] ("c/d")'],
    [{ when: { sourceCidrs: ["10.0.0.0/8", "10.0.0.1/8"] } }, 'when.sourceCidrs[1] ("10.0.0.1/8")'],
    [{ when: { headers: [{ ...header, values: ["1"] }, header] } }, 'when.headers[1].values[1] ("2 ")'],
    [{ when: { headers: [{ name: "Host", present: true }] } }, 'when.headers[0] ("Host")'],
  ] as const) {
    const error = refusedPolicies({ name: "p", action: "deny", rules: [rule] });
    assert.ok(error.message.startsWith(`Policy p, policies[0].rules[0].${place}: `), error.message);
    assert.equal(error.details["path"], `policies[0].rules[0].${place.split(" ")[0]}`);
  }
});

test("names of header fields are such as the application reads in one way only", () => {
  for (const name of ["x_a", "x.a", "x a", "x-", "-x", "x\u00e9", ":path"]) {
    refusedPolicies({ ...at, rules: [{ when: { headers: [{ name, present: true }] } }] });
  }
});

test("what is not ASCII is an error wherever it stands", () => {
  const homoglyph = "spiffe://example.test/ns/sh\u043ep/sa/cart";
  for (const value of [
    { ...at, name: "caf\u00e9", rules: [ANYBODY] },
    { ...at, rules: [{ from: { ids: [homoglyph] } }] },
    { ...at, rules: [{ to: { paths: ["/caf\u00e9"] } }] },
    { ...at, rules: [{ to: { hosts: ["b\u00fccher.test"] } }] },
    { ...at, rules: [{ to: { methods: ["G\u0395T"] } }] },
    { ...at, rules: [{ when: { headers: [{ name: "x-a", values: ["\u00fc"] }] } }] },
    { ...at, rules: [{ when: { headers: [{ name: "x-a", values: ["a\u0000"] }] } }] },
    { ...at, rules: [{ when: { headers: [{ name: "x-a", values: ["a\u007f"] }] } }] },
    { ...at, rules: [{ from: { "id\u0455": ["x"] } }] },
  ]) {
    const error = refusedPolicies(value);
    assert.equal(error.code, "MCA_PROXY_POLICY_INVALID");
    assert.match(error.message, /U\+[0-9A-F]{4}/);
  }
});

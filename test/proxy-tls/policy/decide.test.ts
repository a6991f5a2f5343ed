// What policies mean, sentence by sentence.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PolicySet } from "../../../src/proxy-tls/policy/policy-set.ts";
import { ANYBODY, allow, asking, CART, deny, http, input, policySet } from "../support/policy.ts";

/** Whether one rule of an allow policy matches. */
function matches(rule: object, asked = input()): boolean {
  return policySet(allow(rule)).decide(asked).effect === "allow";
}

test("what no policy allows is denied", () => {
  assert.deepEqual(PolicySet.empty.decide(input()), {
    ...{ effect: "deny", policy: undefined, rule: undefined, reason: "default-deny", dryRun: [], audit: [] },
  });
  assert.equal(policySet().decide(input()).reason, "default-deny");
  assert.equal(policySet(deny({ to: { paths: ["/other"] } })).decide(input()).reason, "default-deny");
});

test("a decision says which policy decided, by which rule, and why", () => {
  const set = policySet(
    allow(ANYBODY, { rules: [{ to: { paths: ["/other"] } }, ANYBODY] }),
    deny({ to: { paths: ["/admin/**"] } }),
  );
  assert.deepEqual(set.decide(input()), {
    ...{ effect: "allow", policy: "allow", rule: 1, reason: "allowed", dryRun: [], audit: [] },
  });
  assert.deepEqual(set.decide(asking({ path: "/admin/x" })), {
    ...{ effect: "deny", policy: "deny", rule: 0, reason: "denied", dryRun: [], audit: [] },
  });
});

test("of several policies that match, the first by name is told, wherever it stands in the file", () => {
  for (const names of [
    ["a", "b"],
    ["b", "a"],
  ]) {
    assert.equal(policySet(...names.map((name) => allow(ANYBODY, { name }))).decide(input()).policy, "a");
  }
});

test("deny goes before allow", () => {
  assert.equal(policySet(allow(ANYBODY), deny(ANYBODY, { name: "z" })).decide(input()).reason, "denied");
});

test("audit only tells", () => {
  const audit = { name: "audit", action: "audit", rules: [ANYBODY] };
  assert.equal(policySet(audit).decide(input()).effect, "deny");
  const decision = policySet(allow(ANYBODY), audit).decide(input());
  assert.equal(decision.effect, "allow");
  assert.deepEqual(decision.audit, [{ policy: "audit", rule: 0, action: "audit" }]);
});

test("a dry run only tells, whatever its action", () => {
  const set = policySet(
    allow(ANYBODY),
    deny(ANYBODY, { dryRun: true }),
    { name: "audit", action: "audit", dryRun: true, rules: [ANYBODY] },
    allow({ to: { paths: ["/other"] } }, { name: "unmatched", dryRun: true }),
  );
  const decision = set.decide(input());
  assert.equal(decision.policy, "allow");
  assert.deepEqual(decision.dryRun, [
    { policy: "audit", rule: 0, action: "audit" },
    { policy: "deny", rule: 0, action: "deny" },
  ]);
  assert.deepEqual(decision.audit, []);
  assert.equal(policySet(allow(ANYBODY, { dryRun: true })).decide(input()).reason, "default-deny");
});

test("values in a field are ORed, fields are ANDed, rules are ORed", () => {
  const rule = { from: { ids: [CART] }, to: { methods: ["GET", "HEAD"], paths: ["/a", "/b"] } };
  assert(matches(rule, asking({ path: "/a" })));
  assert(matches(rule, asking({ path: "/b", method: "HEAD" })));
  assert(!matches(rule, asking({ path: "/b", method: "POST" })));
  assert(!matches(rule, asking({ path: "/c" })));
  assert(!matches(rule, input({ id: `${CART}2`, http: http({ path: "/a" }) })));
  const others = { from: { ids: [`${CART}2`, CART] }, to: { ports: [1, 8443], hosts: ["a.test", "shop.test"] } };
  assert(matches({ ...others, when: { sourceCidrs: ["10.0.0.0/8", "192.0.2.0/24"] } }));
  const set = policySet(allow({}, { rules: [{ to: { paths: ["/a"] } }, { to: { methods: ["POST"] } }] }));
  assert.equal(set.decide(asking({ path: "/a" })).rule, 0);
  assert.equal(set.decide(asking({ method: "POST" })).rule, 1);
  assert.equal(set.decide(asking({})).effect, "deny");
});

test("each field has its not", () => {
  for (const [rule, asked] of [
    [{ from: { notIds: [CART] } }, input()],
    [{ to: { notPorts: [8443] } }, input()],
    [{ to: { notHosts: ["shop.test"] } }, input()],
    [{ to: { notMethods: ["GET"] } }, input()],
    [{ to: { notPaths: ["/a/**"] } }, asking({ path: "/a/b" })],
    [{ when: { notSourceCidrs: ["192.0.2.0/24"] } }, input()],
    [{ when: { headers: [{ name: "x-a", notValues: ["1"] }] } }, asking({ fields: ["x-a", "1"] })],
  ] as const) {
    assert(!matches(rule, asked), JSON.stringify(rule));
  }
  for (const [rule, asked] of [
    [{ from: { notIds: [`${CART}2`] } }, input()],
    [{ to: { notPorts: [8444] } }, input()],
    [{ to: { notHosts: ["other.test"] } }, input()],
    [{ to: { notMethods: ["POST"] } }, input()],
    [{ to: { notPaths: ["/a/**"] } }, asking({ path: "/ab" })],
    [{ when: { notSourceCidrs: ["192.0.3.0/24"] } }, input()],
    [{ when: { headers: [{ name: "x-a", notValues: ["1"] }] } }, asking({ fields: ["x-a", "2"] })],
  ] as const) {
    assert(matches(rule, asked), JSON.stringify(rule));
  }
});

test("a field and its not narrow each other", () => {
  const rule = {
    from: { ids: ["spiffe://example.test/ns/shop/**"], notIds: ["spiffe://example.test/ns/shop/sa/cart"] },
  };
  assert(!matches(rule));
  assert(matches(rule, input({ id: "spiffe://example.test/ns/shop/sa/pay" })));
});

const IDS: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  [
    CART,
    [CART],
    [
      `${CART}2`,
      "spiffe://example.test/ns/shop/sa",
      `${CART}/x`,
      CART.toUpperCase().replace("SPIFFE://EXAMPLE.TEST", "spiffe://example.test"),
    ],
  ],
  [
    "spiffe://example.test/*",
    [CART, "spiffe://example.test/x", "spiffe://example.test/a/b/c/d"],
    ["spiffe://example.test.evil/x", "spiffe://sub.example.test/x", "spiffe://example.tes/x"],
  ],
  [
    "spiffe://example.test/ns/a/**",
    ["spiffe://example.test/ns/a", "spiffe://example.test/ns/a/b", "spiffe://example.test/ns/a/b/c"],
    [
      "spiffe://example.test/ns/ab",
      "spiffe://example.test/ns/ab/c",
      "spiffe://other.test/ns/a/b",
      "spiffe://example.test/ns",
      "spiffe://example.test/x/ns/a/b",
    ],
  ],
];

for (const [pattern, yes, no] of IDS) {
  test(`callers: ${pattern}`, () => {
    for (const id of yes) assert(matches({ from: { ids: [pattern] } }, input({ id })), id);
    for (const id of no) assert(!matches({ from: { ids: [pattern] } }, input({ id })), id);
  });
}

const PATHS: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  ["/a", ["/a"], ["/a/", "/A", "/ab", "/", "/a/b", "*"]],
  ["/", ["/"], ["/a", "*"]],
  ["/**", ["/", "/a", "/a/b/"], ["*"]],
  ["/a/**", ["/a", "/a/", "/a/b", "/a/b/c"], ["/ab", "/", "/b/a", "/A/b"]],
  ["/a/*", ["/a/b", "/a/", "/a/*"], ["/a", "/a/b/c", "/a/b/"]],
  ["/a*a", ["/aa", "/aba"], ["/a", "/aab"]],
  ["/a*b*b", ["/abb", "/axbxb"], ["/ab", "/abx"]],
  ["/a*c", ["/ac", "/abc", "/abcc"], ["/a/c", "/abcd", "/a", "/bbc"]],
  ["/a*b*c", ["/abc", "/a1b2c"], ["/ac", "/axc"]],
  ["/*/b/**", ["/a/b", "/a/b/c", "//b".replace("//", "/x/")], ["/a/bc", "/b", "/a/c/b"]],
  ["/v*/i*s/x", ["/v1/items/x", "/v/is/x"], ["/v1/item/x", "/v1/items/x/", "/v/i/s/x"]],
  ["/caf%C3%A9", ["/caf\u00e9"], ["/cafe", "/cafe\u0301", "/caf%C3%A9"]],
];

for (const [pattern, yes, no] of PATHS) {
  test(`paths: ${pattern}`, () => {
    for (const path of yes) assert(matches({ to: { paths: [pattern] } }, asking({ path })), path);
    for (const path of no) assert(!matches({ to: { paths: [pattern] } }, asking({ path })), path);
  });
}

const HOSTS: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
  [
    "shop.test",
    ["shop.test", "shop.test:8443", "shop.test:80"],
    ["a.shop.test", "shop.test.evil", "xshop.test", "shop"],
  ],
  ["SHOP.test.", ["shop.test"], []],
  ["shop.test:8443", ["shop.test:8443"], ["shop.test", "shop.test:844", "shop.test:84433"]],
  ["shop.test:443", ["shop.test"], ["shop.test:8443", "shop.test:80"]],
  ["*.shop.test", ["a.shop.test", "a.shop.test:1"], ["shop.test", "a.b.shop.test", "a.shop.test.evil"]],
  ["api-*.shop.test:9", ["api-1.shop.test:9"], ["api-1.shop.test", "api-1.x.shop.test:9", "api.shop.test:9"]],
  ["[2001:db8::1]:443", ["[2001:db8::1]"], ["[2001:db8::1]:8443", "[2001:db8::]"]],
  ["[2001:DB8:0::1]", ["[2001:db8::1]", "[2001:db8::1]:8443"], ["[2001:db8::2]"]],
];

for (const [pattern, yes, no] of HOSTS) {
  test(`hosts: ${pattern}`, () => {
    for (const authority of yes) assert(matches({ to: { hosts: [pattern] } }, asking({ authority })), authority);
    for (const authority of no) assert(!matches({ to: { hosts: [pattern] } }, asking({ authority })), authority);
  });
}

const CIDRS: readonly (readonly [cidr: string, yes: readonly string[], no: readonly string[]])[] = [
  [
    "10.0.0.0/8",
    ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", "::FFFF:10.1.2.3", "::ffff:a01:203"],
    ["11.0.0.0", "9.255.255.255", "::10.1.2.3", "::ff:a01:203", "::ff00:a01:203", "1::ffff:10.1.2.3"],
  ],
  ["192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127"]],
  ["192.0.2.7", ["192.0.2.7"], ["192.0.2.6"]],
  ["0.0.0.0/0", ["1.2.3.4", "::ffff:1.2.3.4"], ["2001:db8::1", "::1"]],
  ["::/0", ["2001:db8::1", "fe80::1%eth0"], ["1.2.3.4", "::ffff:1.2.3.4"]],
  ["2001:db8::/33", ["2001:db8::1", "2001:db8:7fff::"], ["2001:db8:8000::", "2001:db9::"]],
  ["fe80::1", ["fe80::1", "fe80::1%eth0", "fe80::1%eth0.100"], ["fe80::2"]],
];

for (const [cidr, yes, no] of CIDRS) {
  test(`callers' addresses: ${cidr}`, () => {
    const rule = { when: { sourceCidrs: [cidr] } };
    for (const sourceAddress of yes) assert(matches(rule, input({ sourceAddress })), sourceAddress);
    for (const sourceAddress of no) assert(!matches(rule, input({ sourceAddress })), sourceAddress);
  });
}

test("methods are case-sensitive", () => {
  assert(matches({ to: { methods: ["GET"] } }));
  for (const method of ["get", "Get", "GETS", "GE"]) {
    assert(!matches({ to: { methods: ["GET"] } }, asking({ method })), method);
  }
});

test("values of header fields are compared exactly, names without case", () => {
  const rule = { when: { headers: [{ name: "X-Env", values: ["prod", "stage"] }] } };
  assert(matches(rule, asking({ fields: ["x-other", "1", "x-env", "stage"] })));
  for (const value of ["Prod", "prod ", "prod,stage", "production", ""]) {
    assert(!matches(rule, asking({ fields: ["x-env", value] })), value);
  }
});

test("a value that reads like a field's name is no field", () => {
  const rule = { when: { headers: [{ name: "x-a", values: ["1", "x-c"] }] } };
  assert(!matches(rule, asking({ fields: ["x-b", "x-a", "x-c", "1"] })));
  assert(matches(rule, asking({ fields: ["x-a", "1", "x-b", "x-a"] })), "nor the same one twice");
});

test("several header fields are ANDed", () => {
  const rule = {
    when: {
      headers: [
        { name: "x-a", values: ["1"] },
        { name: "x-b", values: ["2"] },
      ],
    },
  };
  assert(matches(rule, asking({ fields: ["x-a", "1", "x-b", "2"] })));
  assert(!matches(rule, asking({ fields: ["x-a", "1", "x-b", "1"] })));
});

test("whether a field is there can be asked", () => {
  const there = { when: { headers: [{ name: "x-a", present: true }] } };
  const absent = { when: { headers: [{ name: "x-a", present: false }] } };
  assert(matches(there, asking({ fields: ["x-a", ""] })));
  assert(!matches(there, asking({})));
  assert(!matches(there, asking({ fields: ["x-b", "x-a"] })), "a value is no name");
  assert(matches(absent, asking({})));
  assert(!matches(absent, asking({ fields: ["x-a", ""] })));
  // A deny that looks only at those who sent the field.
  const set = policySet(allow(ANYBODY), deny({ when: { headers: [{ name: "x-a", present: true, values: ["1"] }] } }));
  assert.equal(set.decide(asking({})).effect, "allow");
  assert.equal(set.decide(asking({ fields: ["x-a", "1"] })).effect, "deny");
});

test("a policy can be for some listeners only", () => {
  const set = policySet(allow(ANYBODY, { listeners: ["web", "api"] }));
  assert.equal(set.decide(input({ listener: "api" })).effect, "allow");
  assert.equal(set.decide(input({ listener: "db" })).effect, "deny");
});

test("a missing attribute counts as a match for deny and as no match for allow, also where the policy says not", () => {
  const ways: readonly (readonly [rule: object, asked: ReturnType<typeof input>])[] = [
    [{ from: { ids: [CART] } }, input({ id: undefined })],
    [{ from: { notIds: [CART] } }, input({ id: undefined })],
    [{ to: { ports: [8443] } }, input({ port: undefined })],
    [{ to: { notPorts: [1] } }, input({ port: undefined })],
    [{ when: { sourceCidrs: ["0.0.0.0/0"] } }, input({ sourceAddress: undefined })],
    [{ when: { notSourceCidrs: ["10.0.0.0/8"] } }, input({ sourceAddress: undefined })],
    [{ when: { notSourceCidrs: ["10.0.0.0/8"] } }, input({ sourceAddress: "garbage" })],
    [{ to: { methods: ["GET"] } }, input({ http: undefined })],
    [{ to: { notMethods: ["GET"] } }, input({ http: undefined })],
    [{ to: { hosts: ["shop.test"] } }, input({ http: undefined })],
    [{ to: { notHosts: ["shop.test"] } }, asking({ authority: "" })],
    [{ to: { paths: ["/**"] } }, input({ http: undefined })],
    [{ to: { notPaths: ["/admin/**"] } }, asking({ path: "" })],
    [{ when: { headers: [{ name: "x-a", values: ["1"] }] } }, asking({})],
    [{ when: { headers: [{ name: "x-a", notValues: ["1"] }] } }, asking({})],
    [{ when: { headers: [{ name: "x-a", present: false }] } }, input({ http: undefined })],
  ];
  for (const [rule, asked] of ways) {
    assert.equal(policySet(allow(rule)).decide(asked).reason, "default-deny", JSON.stringify(rule));
    assert.equal(policySet(deny(rule)).decide(asked).reason, "denied", JSON.stringify(rule));
    const audit = { name: "audit", action: "audit", rules: [rule] };
    assert.equal(policySet(audit).decide(asked).audit.length, 1, JSON.stringify(rule));
  }
});

test("a deny with several fields still needs those that are known", () => {
  const set = policySet(
    allow(ANYBODY),
    deny({ to: { paths: ["/admin"] }, when: { headers: [{ name: "x-a", values: ["1"] }] } }),
  );
  assert.equal(set.decide(asking({ path: "/admin" })).effect, "deny");
  assert.equal(set.decide(asking({ path: "/" })).effect, "allow");
});

test("a field that a policy in force names and that is there twice is refused; audits and dry runs are silent about it", () => {
  const rule = { when: { headers: [{ name: "x-a", values: ["1"] }] } };
  const twice = asking({ fields: ["x-a", "1", "x-b", "1", "x-a", "1"] });
  assert.equal(policySet(allow(rule)).decide(twice).reason, "refused");
  assert.equal(policySet(allow(ANYBODY), deny(rule)).decide(twice).reason, "refused");
  assert.deepEqual([...policySet(allow(rule), deny(rule)).fieldNames], ["x-a"]);
  const quiet = policySet(allow(ANYBODY), deny(rule, { dryRun: true }), {
    name: "audit",
    action: "audit",
    rules: [rule],
  });
  const decision = quiet.decide(twice);
  assert.equal(decision.effect, "allow");
  assert.deepEqual([decision.dryRun.length, decision.audit.length], [1, 1]);
  assert.equal(quiet.fieldNames.size, 0);
});

test("a dry run tries each value of a field, and takes those that disagree for unknown", () => {
  const rule = { when: { headers: [{ name: "x-a", values: ["1"] }] } };
  const set = policySet(allow(rule, { dryRun: true }), deny(rule, { dryRun: true }));
  const told = (...values: string[]): string[] =>
    set.decide(asking({ fields: values.flatMap((value) => ["x-a", value]) })).dryRun.map(({ policy }) => policy);
  assert.deepEqual(told("1", "1"), ["allow", "deny"]);
  assert.deepEqual(told("1", "2"), ["deny"]);
  assert.deepEqual(told("2", "1"), ["deny"]);
  assert.deepEqual(told("2", "2"), []);
});

test("the engine is told whether paths or methods decide", () => {
  assert(!policySet(allow(ANYBODY)).namesTargets);
  assert(policySet(deny({ to: { notPaths: ["/a"] } })).namesTargets);
  assert(policySet(allow({ to: { methods: ["GET"] } })).namesTargets);
  assert(!policySet(allow({ to: { hosts: ["a.test"] } })).namesTargets);
});

test("whether a connection may ask for anything is known without asking", () => {
  const allowsNothing = (...policies: object[]): boolean => policySet(...policies).forConnection(input()).allowsNothing;
  assert(allowsNothing());
  assert(allowsNothing(allow({ from: { notIds: [CART] } })));
  assert(allowsNothing(allow(ANYBODY, { dryRun: true }), allow(ANYBODY, { name: "b", listeners: ["other"] })));
  assert(allowsNothing(allow(ANYBODY), deny({ from: { ids: [CART] } })));
  assert(!allowsNothing(allow({ to: { paths: ["/a"] } }), deny({ to: { paths: ["/b"] } })));
  assert(!allowsNothing(allow(ANYBODY), deny(ANYBODY, { dryRun: true })));
});

test("decisions without observations are made once", () => {
  const decider = policySet(allow({ to: { paths: ["/a"] } })).forConnection(input());
  assert.equal(decider.decide(http({ path: "/a" })), decider.decide(http({ path: "/a" })));
  assert.equal(decider.decide(http({ path: "/b" })), decider.decide(http({ path: "/c" })));
  assert(Object.isFrozen(decider.decide(http({ path: "/a" }))));
  assert(Object.isFrozen(decider.decide(http({ path: "/b" }))));
});

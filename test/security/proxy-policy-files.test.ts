// Hostile and broken policy files: nothing in one makes a decision slow, opens by accident, or reaches the program's own objects.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { loadPolicies } from "../../src/proxy-tls/policy/load.ts";
import { parsePolicies } from "../../src/proxy-tls/policy/parse.ts";
import { MeshCaError } from "../../src/runtime/index.ts";
import {
  ANYBODY,
  allow,
  asking,
  CART,
  deny,
  http,
  input,
  policySet,
  refusedFile,
} from "../proxy-tls/support/policy.ts";

/** CPU time of this process, so that a busy machine does not count. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test("no pattern and no path make matching explode", () => {
  const stars = `/${"*a".repeat(400)}*b/**`;
  const segments = `/${"*/".repeat(200)}x`;
  const hosts = `${"*a".repeat(30)}*b.test`;
  const set = policySet(
    deny({ to: { paths: [stars, segments, "/a*a*a*a*a*a*a*a*a*c"], hosts: [hosts] } }),
    allow(ANYBODY),
  );
  const asked = [
    ...[`/${"a".repeat(30_000)}`, `/${"a/".repeat(15_000)}`, `/${"ab".repeat(15_000)}/x`].map((path) =>
      asking({ path }),
    ),
    asking({ authority: `${"a".repeat(250)}.test`, path: `/${"a".repeat(30_000)}b` }),
  ];
  const spent = cpuMs(() => {
    for (const request of asked)
      for (let round = 0; round < 10; round++) assert.equal(set.decide(request).effect, "allow");
  });
  assert(spent < 1_000, `${spent} ms`);
});

test("the largest policies decide in bounded time", () => {
  const rules = Array.from({ length: 100 }, (_, rule) => ({
    from: { ids: [CART] },
    to: { paths: Array.from({ length: 10 }, (__, index) => `/p${rule}/*x*/${index}`) },
  }));
  const policies = Array.from({ length: 20 }, (_, index) => ({ name: `p${index}`, action: "deny", rules }));
  let set = policySet();
  assert(
    cpuMs(() => {
      set = policySet(...policies, allow(ANYBODY));
    }) < 5_000,
  );
  const decider = set.forConnection(input());
  // 20,000 patterns and a path that nearly fits them all.
  const spent = cpuMs(() => {
    for (let round = 0; round < 20; round++)
      assert.equal(decider.decide(http({ path: `/p99/${"x".repeat(1_000)}/z` })).effect, "allow");
  });
  assert(spent < 2_000, `${spent} ms`);
});

test("more than the bounds is refused", () => {
  const many = (length: number): string[] => Array.from({ length }, (_, index) => `/p${index}`);
  for (const policies of [
    Array.from({ length: 1_001 }, (_, index) => ({ ...allow(ANYBODY), name: `p${index}` })),
    [{ ...allow(ANYBODY), rules: Array.from({ length: 101 }, () => ANYBODY) }],
    [allow({ to: { paths: many(1_001) } })],
    [allow({ to: { paths: [`/${"a".repeat(2_048)}`] } })],
    [allow({ when: { headers: Array.from({ length: 33 }, (_, index) => ({ name: `x-${index}`, present: true })) } })],
  ]) {
    assert.match(refusedFile({ policies }).code, /^MCA_CONFIG_INVALID$/);
  }
  let nested: unknown = "x";
  for (let depth = 0; depth < 1_000; depth++) nested = [nested];
  assert.match(refusedFile({ policies: nested }).message, /nested too deeply/);
});

test("names of the language's own objects are keys and values like others", () => {
  for (const key of ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty"]) {
    const file: unknown = JSON.parse(
      `{"policies":[{"name":"p","action":"allow","rules":[{"${key}":{"paths":["/"]}}]}]}`,
    );
    assert.throws(() => parsePolicies(file), MeshCaError, key);
    const header: unknown = JSON.parse(
      `{"policies":[{"name":"p","action":"allow","rules":[{"when":{"headers":[{"name":"x-a","${key}":["1"]}]}}]}]}`,
    );
    assert.throws(() => parsePolicies(header), MeshCaError, key);
  }
  const set = policySet(allow({ to: { methods: ["GET"] } }, { name: "constructor" }));
  assert.equal(set.decide(asking({ method: "constructor" })).effect, "deny");
  assert.equal(set.decide(asking({})).policy, "constructor");
  assert.equal(
    policySet(allow({ to: { paths: ["/constructor"] } })).decide(asking({ path: "/toString" })).effect,
    "deny",
  );
});

test("whatever a file holds, it loads or is refused in a sentence", () => {
  const leaf = fc.oneof(
    fc.constantFrom(
      ...["", "*", "/", "/**", "a", CART, "GET", "allow", "deny", "custom", "10.0.0.0/8", "x-a", "\u0000", "__proto__"],
    ),
    fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.string()),
  );
  const keys = [
    ...[
      "policies",
      "name",
      "action",
      "dryRun",
      "listeners",
      "rules",
      "from",
      "to",
      "when",
      "ids",
      "notIds",
      "paths",
      "hosts",
    ],
    ...["methods", "ports", "headers", "values", "notValues", "present", "sourceCidrs", "claims", "__proto__", "x"],
  ];
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 6 }, leaf, fc.array(tie("value"), { maxLength: 3 }), tie("group")),
    group: fc.dictionary(fc.constantFrom(...keys), tie("value"), { maxKeys: 4 }),
  }));
  const rule = fc.record({ from: value, to: value, when: value }, { requiredKeys: [] });
  const policy = fc.record(
    {
      name: leaf,
      action: fc.constantFrom("allow", "deny", "audit", 1),
      dryRun: value,
      listeners: value,
      rules: fc.array(rule),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(value, fc.record({ policies: fc.oneof(value, fc.array(policy, { maxLength: 3 })) })),
      (file) => {
        try {
          parsePolicies(file).decide(input());
        } catch (error) {
          assert(error instanceof MeshCaError, String(error));
          assert.match(error.message, /^[\x20-\x7e]+[.?]$/);
        }
      },
    ),
    { numRuns: 3_000 },
  );
});

test("a list is a list, and nothing that looks like one", () => {
  for (const ids of ["spiffe://example.test/*", { 0: CART, length: 1 }, [[CART]], [{ id: CART }], true, 1]) {
    refusedFile({ policies: [allow({ from: { ids } })] });
  }
  for (const rules of [{ 0: ANYBODY, length: 1 }, "all", true])
    refusedFile({ policies: [{ name: "p", action: "allow", rules }] });
});

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "mesh-ca-policies-"));
});
after(() => rm(folder, { recursive: true }));

/** Loads the text as a policy file. */
async function load(text: string): Promise<unknown> {
  const file = join(folder, "policies.yaml");
  await writeFile(file, text);
  return loadPolicies(file, []);
}

const GOOD = `policies:
  - {name: a, action: allow, rules: [{from: {ids: ["${CART}"]}}]}
`;

test("a file that was cut off is refused at every place where it lost a policy", async () => {
  const text = `${GOOD}  - {name: b, action: deny, rules: [{to: {paths: [/admin/**]}}]}
`;
  await load(text);
  for (const cut of [
    "",
    "policies:",
    "policies:\n",
    "policies:\n  -",
    "policies:\n  - {name: a",
    text.slice(0, -4),
    text.slice(0, -20),
  ]) {
    await assert.rejects(load(cut), MeshCaError, JSON.stringify(cut));
  }
});

test("tricks of YAML are refused: aliases, merges, keys that are there twice, tags, second documents, numbers for names", async () => {
  for (const text of [
    `x: &a [1]\n${GOOD}`,
    "policies: &p\n  - {name: a, action: allow, rules: *p}\n",
    GOOD.replace("action: allow", "action: deny, action: allow"),
    GOOD.replace("action: allow", '"action": deny, action: allow'),
    `${GOOD}---\npolicies: []\n`,
    `${GOOD}policies: []\n`,
    GOOD.replace("name: a", "name: 1e3"),
    GOOD.replace("name: a", "<<: {dryRun: true}, name: a"),
    GOOD.replace("action: allow", "action: allow, dryRun: no"),
    GOOD.replace("name: a", "name: !!js/function a"),
    "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\npolicies: *c\n",
  ]) {
    await assert.rejects(load(text), MeshCaError, text);
  }
});

// What holds for all policies and all requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Decision, PolicyInput } from "../../../src/proxy-tls/policy/decision.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { anyInput, anyPolicies, anyPolicy } from "../support/any-policies.ts";
import { type NaivePolicy, naiveDecision } from "../support/naive-policies.ts";

const RUNS = { numRuns: 500 };

function decide(policies: readonly NaivePolicy[], input: PolicyInput): Decision {
  return parsePolicies({ policies }).decide(input);
}

test("compiled policies decide as a slow reading of the file does", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(anyPolicies(), anyInput, (policies, input) => {
      const decision = decide(policies, input);
      assert.deepEqual(decision, naiveDecision(policies, input));
      seen.add(decision.reason);
      if (decision.dryRun.length > 0) seen.add("dryRun");
      if (decision.audit.length > 0) seen.add("audit");
    }),
    { numRuns: 2_000 },
  );
  assert.deepEqual([...seen].sort(), ["allowed", "audit", "default-deny", "denied", "dryRun", "refused"]);
});

test("the order of policies never matters", () => {
  const shuffled = anyPolicies().chain((policies) =>
    fc.tuple(
      fc.constant(policies),
      fc.shuffledSubarray(policies, { minLength: policies.length, maxLength: policies.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, anyInput, ([policies, others], input) => {
      assert.deepEqual(decide(policies, input), decide(others, input));
    }),
    RUNS,
  );
});

test("adding a deny never turns deny into allow", () => {
  fc.assert(
    fc.property(anyPolicies(), anyPolicy(), anyInput, (policies, added, input) => {
      if (decide(policies, input).effect === "allow") return;
      const more = [...policies, { ...added, name: "new", action: "deny" as const, dryRun: false }];
      assert.equal(decide(more, input).effect, "deny");
    }),
    RUNS,
  );
});

test("adding an audit or a dry run never changes the result", () => {
  fc.assert(
    fc.property(anyPolicies(), anyPolicy(), anyInput, (policies, added, input) => {
      const without = parsePolicies({ policies });
      const before = without.decide(input);
      for (const quiet of [{ action: "audit" as const }, { dryRun: true }]) {
        const set = parsePolicies({ policies: [...policies, { ...added, ...quiet, name: "new" }] });
        const { effect, policy, rule, reason } = set.decide(input);
        assert.deepEqual([effect, policy, rule, reason], [before.effect, before.policy, before.rule, before.reason]);
        // Nor what the engine refuses before.
        assert.deepEqual(set.fieldNames, without.fieldNames);
        assert.equal(set.namesTargets, without.namesTargets);
      }
    }),
    RUNS,
  );
});

test("a decision for a connection is the decision of the whole", () => {
  fc.assert(
    fc.property(anyPolicies(), fc.array(anyInput, { minLength: 1, maxLength: 4 }), (policies, inputs) => {
      const set = parsePolicies({ policies });
      const [{ listener, principal, sourceAddress, port }] = inputs as [PolicyInput];
      const decider = set.forConnection({ listener, principal, sourceAddress, port });
      for (const { http } of inputs) {
        assert.deepEqual(decider.decide(http), set.decide({ listener, principal, sourceAddress, port, http }));
      }
    }),
    RUNS,
  );
});

/** `input` with something taken away; never `input` itself. */
function poorer(input: PolicyInput): PolicyInput[] {
  const { http } = input;
  return [
    { ...input, principal: undefined },
    { ...input, sourceAddress: undefined },
    { ...input, sourceAddress: "no address" },
    { ...input, port: undefined },
    { ...input, http: undefined },
    ...(http === undefined
      ? []
      : [
          { ...input, http: { ...http, fields: [] } },
          { ...input, http: { ...http, path: "" } },
          { ...input, http: { ...http, authority: "" } },
          { ...input, http: { ...http, method: "" } },
        ]),
  ];
}

test("leaving something out never opens anything, also where a policy says not", () => {
  fc.assert(
    fc.property(anyPolicies(false), anyInput, (policies, input) => {
      const set = parsePolicies({ policies });
      const before = set.decide(input);
      if (before.effect === "allow" || before.reason === "refused") return;
      for (const less of poorer(input)) assert.equal(set.decide(less).effect, "deny");
    }),
    RUNS,
  );
});

test("of whom nothing is known, nothing is allowed", () => {
  const nothing = { listener: "web", principal: undefined, sourceAddress: undefined, port: undefined, http: undefined };
  fc.assert(
    fc.property(anyPolicies(), (policies) => {
      assert.equal(decide(policies, nothing).effect, "deny");
    }),
    RUNS,
  );
});

test("what a deny denies, no allow opens", () => {
  fc.assert(
    fc.property(anyPolicies(), anyPolicy(), anyInput, (policies, added, input) => {
      const before = decide(policies, input);
      if (before.reason !== "denied") return;
      const after = decide([...policies, { ...added, name: "new", action: "allow" as const, dryRun: false }], input);
      assert.equal(after.effect, "deny");
    }),
    RUNS,
  );
});

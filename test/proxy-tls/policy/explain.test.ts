// What is explained is what is decided, from the text of a request on.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type InboundConfig, parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import { explainDecision } from "../../../src/proxy-tls/policy/explain.ts";
import { explainRequest, type RequestText } from "../../../src/proxy-tls/policy/explain-request.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { anyInput, anyPolicies } from "../support/any-policies.ts";
import { ANYBODY, allow, asking, deny, input, policySet } from "../support/policy.ts";

test("the trace and the decision agree, for all policies and requests", () => {
  fc.assert(
    fc.property(anyPolicies(), anyInput, (policies, asked) => {
      const set = parsePolicies({ policies });
      const { decision, policies: told } = explainDecision(set, asked);
      assert.deepEqual(decision, set.decide(asked));
      const matched = told.filter((policy) => policy.matched);
      const quiet = ({ dryRun, action }: (typeof told)[number]): boolean => dryRun || action === "audit";
      assert.equal(matched.filter(quiet).length, decision.dryRun.length + decision.audit.length);
      if (decision.reason === "refused") return;
      const loud = matched.filter((policy) => !quiet(policy));
      const decider = loud.find(({ action }) => action === "deny") ?? loud[0];
      assert.equal(decider?.policy, decision.policy);
      assert.equal(decider === undefined ? -1 : decider.rules.findIndex((rule) => rule.matched), decision.rule ?? -1);
    }),
    { numRuns: 800 },
  );
});

test("each condition tells what it found and what that means", () => {
  const set = policySet(
    deny({
      ...{ from: { ids: ["spiffe://example.test/*"] }, to: { notPaths: ["/a/**"] } },
      when: { headers: [{ name: "x-a", values: ["1"] }] },
    }),
    allow(ANYBODY, { listeners: ["other"] }),
  );
  const { policies } = explainDecision(set, asking({ path: "/a/b" }));
  assert.deepEqual(policies, [
    { policy: "allow", action: "allow", dryRun: false, applies: false, matched: false, rules: [] },
    {
      ...{ policy: "deny", action: "deny", dryRun: false, applies: true, matched: false },
      rules: [
        {
          matched: false,
          conditions: [
            {
              ...{ key: "from.ids", negated: false, values: ["spiffe://example.test/*"] },
              ...{ found: ["spiffe://example.test/ns/shop/sa/cart"], outcome: "match" },
            },
            { key: "to.notPaths", negated: true, values: ["/a/**"], found: ["/a/b"], outcome: "no-match" },
            { key: "when.headers[0].values", negated: false, values: ["1"], found: [], outcome: "unknown" },
          ],
        },
      ],
    },
  ]);
});

const { listeners } = parseProxyConfig({
  identity: { kind: "files", certificateFile: "/c.pem", keyFile: "/k.pem", trustFile: "/t.json" },
  listeners: [{ direction: "inbound", name: "web", protocol: "http", target: { port: 8080 } }],
});
const [web] = listeners.filter((listener): listener is InboundConfig => listener.direction === "inbound");

/** "allow", "deny: reason", or "400 rule". */
function told(request: Partial<RequestText>, ...policies: readonly object[]): string {
  assert(web !== undefined);
  const text = { method: "GET", path: "/", host: "Shop.Test", headers: [], ...request };
  const answer = explainRequest(policySet(...policies), web, input(), text);
  if (answer.kind === "refused") return `${answer.refusal.status} ${answer.refusal.reason}`;
  const { effect, reason } = answer.explanation.decision;
  return effect === "allow" ? effect : `${effect}: ${reason}`;
}

test("a request is explained as it would come: normalised, or refused before any policy is asked", () => {
  const shop = allow({
    to: { hosts: ["shop.test"], paths: ["/caf%C3%A9"] },
    when: { headers: [{ name: "x-a", values: ["1"] }] },
  });
  const good = { path: "/caf%C3%A9?q=1", headers: ["X-A:  1 "] };
  assert.equal(told(good, shop), "allow");
  assert.equal(told({ ...good, host: "shop.test.:443" }, shop), "allow");
  assert.equal(told({ ...good, host: "other.test" }, shop), "deny: default-deny");
  assert.equal(told({ ...good, path: "/x/../caf%C3%A9" }, shop), "400 dot-segment");
  assert.equal(told({ ...good, headers: ["x-a: 1", "x-a: 1"] }, shop), "400 field-twice");
  assert.equal(told({ ...good, headers: ["x-a: 1", "x_a: 2"] }, shop), "400 underscore");
  assert.equal(told({ ...good, headers: ["connection: x-a", "x-a: 1"] }, shop), "400 connection-names-field");
  assert.equal(told({ ...good, headers: ["x-a: 1", "x-original-url: /admin"] }, shop), "400 override");
  assert.equal(told({ ...good, method: "TRACE" }, shop), "405 method-refused");
  assert.match(told({ ...good, headers: ["x-a : 1"] }, shop), /^400 /);
  assert.match(told({ ...good, path: "/a b" }, shop), /^400 |^505 /);
});

test("what the proxy takes away is not seen", () => {
  const audit = { name: "a", action: "audit", rules: [ANYBODY] };
  assert(web !== undefined);
  const answer = explainRequest(policySet(audit), web, input(), {
    ...{ method: "GET", path: "/", host: "a.test" },
    headers: ["x-forwarded-for: 1.2.3.4", "keep-alive: 1", "x-a: 1"],
  });
  assert(answer.kind === "decided");
  assert.deepEqual(answer.http?.fields, ["x-a", "1"]);
});

test("no line break gets into the text of a request", () => {
  assert.throws(() => told({ headers: ["a: b\r\nx-a: 1"] }), TypeError);
  assert.throws(() => told({ path: "/ HTTP/1.1\r\nx-a: 1" }), TypeError);
});

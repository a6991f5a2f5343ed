// Policies and listeners that do not go together are an error at load.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import { checkPolicies } from "../../../src/proxy-tls/policy/check.ts";
import { MeshCaError } from "../../../src/runtime/index.ts";
import { ANYBODY, allow, deny, policySet } from "../support/policy.ts";

const { listeners } = parseProxyConfig({
  identity: { kind: "files", certificateFile: "/c.pem", keyFile: "/k.pem", trustFile: "/t.json" },
  listeners: [
    { direction: "inbound", name: "web", protocol: "http", port: 1, target: { port: 8080 } },
    { direction: "inbound", name: "db", protocol: "tcp", port: 2, target: { port: 5432 } },
    {
      ...{ direction: "inbound", name: "old", protocol: "http", port: 3, target: { port: 8081 } },
      http: { relaxPath: ["semicolon", "encoded-slash"] },
    },
    {
      ...{ direction: "outbound", name: "pay", protocol: "tcp", listen: { port: 4 } },
      ...{ targets: [{ host: "pay.test", port: 443 }], expect: ["spiffe://example.test/pay"] },
    },
  ],
});

function problem(...policies: readonly object[]): string {
  try {
    checkPolicies(policySet(...policies), listeners);
    return "";
  } catch (error) {
    assert(error instanceof MeshCaError && error.code === "MCA_PROXY_POLICY_CONFLICT", String(error));
    return error.message;
  }
}

test("policies that look at callers, ports and addresses are for every listener", () => {
  assert.equal(problem(allow(ANYBODY), deny({ to: { ports: [1] }, when: { sourceCidrs: ["10.0.0.0/8"] } })), "");
});

test("a field of HTTP on a tcp listener is an error, also of an audit, of a dry run and of a not", () => {
  for (const rule of [
    { to: { methods: ["GET"] } },
    { to: { notMethods: ["GET"] } },
    { to: { hosts: ["a.test"] } },
    { to: { notHosts: ["a.test"] } },
    { to: { paths: ["/a"] } },
    { to: { notPaths: ["/a"] } },
    { when: { headers: [{ name: "x-a", present: true }] } },
    { when: { headers: [{ name: "x-a", notValues: ["1"] }] } },
  ]) {
    const rules = [ANYBODY, { ...ANYBODY, ...rule }];
    for (const policy of [
      { name: "p", action: "allow", listeners: ["web", "db"], rules },
      { name: "p", action: "audit", listeners: ["db"], rules },
      { name: "p", action: "deny", dryRun: true, listeners: ["db"], rules },
      { name: "p", action: "allow", rules },
    ]) {
      assert.match(problem(policy), /needs HTTP, and the listener db is tcp/, JSON.stringify(policy));
    }
    assert.equal(problem({ name: "p", action: "allow", listeners: ["web"], rules }), "");
  }
});

test("a relaxed path and a policy that keeps paths out are an error", () => {
  for (const policy of [
    deny({ to: { paths: ["/admin/**"] } }, { listeners: ["old"] }),
    deny({ to: { paths: ["/admin/**"] } }, { listeners: ["web", "old"], dryRun: true }),
    deny({ to: { notPaths: ["/public/**"] } }, { listeners: ["old"] }),
    allow({ to: { notPaths: ["/admin/**"] } }, { listeners: ["old"] }),
  ]) {
    assert.match(problem(policy), /listener old relaxes how paths are read \(relaxPath: semicolon\)/);
  }
  for (const policy of [
    deny({ to: { paths: ["/admin/**"] } }, { listeners: ["web"] }),
    deny({ to: { methods: ["POST"] } }, { listeners: ["old"] }),
    allow({ to: { paths: ["/public/**"] } }, { listeners: ["old"] }),
    { name: "p", action: "audit", listeners: ["old"], rules: [{ to: { paths: ["/admin"] } }] },
    { name: "p", action: "audit", listeners: ["old"], rules: [{ to: { notPaths: ["/admin"] } }] },
  ]) {
    assert.equal(problem(policy), "");
  }
});

test("a policy for a listener that is not there, or is outbound, is an error", () => {
  assert.match(problem(allow(ANYBODY, { listeners: ["wep"] })), /no inbound listener wep\. Did you mean "web"/);
  assert.match(problem(allow(ANYBODY, { listeners: ["pay"] })), /pay is outbound/);
  assert.match(problem(allow(ANYBODY, { listeners: ["web", "nowhere"] })), /no inbound listener nowhere/);
});

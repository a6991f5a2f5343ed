// What `mesh-ca proxy check` tells of policies, and what is published about their form.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import { describePolicies } from "../../../src/proxy-tls/policy/describe.ts";
import { policyJsonSchema } from "../../../src/proxy-tls/policy/schema.ts";
import { CART, policySet } from "../support/policy.ts";

const { listeners } = parseProxyConfig({
  identity: { kind: "files", certificateFile: "/c.pem", keyFile: "/k.pem", trustFile: "/t.json" },
  listeners: [
    { direction: "inbound", name: "web", protocol: "http", port: 8443, target: { port: 8080 } },
    { direction: "inbound", name: "db", protocol: "tcp", port: 8444, target: { port: 5432 } },
  ],
});

test("who may call what is said in sentences", () => {
  const set = policySet(
    {
      ...{ name: "reads", action: "allow", listeners: ["web"] },
      rules: [
        {
          from: { ids: ["spiffe://example.test/*", "spiffe://other.test/a"], notIds: [CART] },
          to: { methods: ["GET", "HEAD"], paths: ["/items/**"], notHosts: ["admin.test"], ports: [8443] },
          when: { headers: [{ name: "x-env", values: ["prod"], present: true }], sourceCidrs: ["10.0.0.0/8"] },
        },
      ],
    },
    { name: "strict", action: "deny", dryRun: true, rules: [{ from: { notIds: [CART] } }] },
  );
  assert.deepEqual(describePolicies(set, listeners), [
    `reads: allows spiffe://example.test/* or spiffe://other.test/a, but not ${CART}, GET or HEAD on /items/** of any host but admin.test at port 8443, from 10.0.0.0/8, with x-env, with x-env: prod, at web.`,
    `strict: would deny every verified caller but ${CART}, everything, at every inbound listener (dry run).`,
    "web: what no policy allows is denied.",
    "Note: no policy in force allows anything at db: everything is denied there.",
  ]);
});

test("what deserves a second look is a note", () => {
  const set = policySet(
    {
      name: "deny",
      action: "deny",
      listeners: ["web"],
      rules: [{ when: { headers: [{ name: "x-a", values: ["1"] }] } }],
    },
    { name: "port", action: "deny", rules: [{ to: { ports: [9] } }] },
  );
  const text = describePolicies(set, listeners).join("\n");
  assert.match(text, /Note: deny counts a request without x-a as a match/);
  assert.match(text, /Note: port names port 9, and no inbound listener has it/);
});

test("the published schema knows no empty lists, and nothing that may be null", () => {
  const text = JSON.stringify(policyJsonSchema());
  assert.doesNotMatch(text, /"default":(?:\[|\{|null)|"type":"null"/);
  const lists = text.match(/"type":"array"/g)?.length ?? 0;
  assert.equal(lists, 18);
  // All but `policies`, which may be empty.
  assert.equal(text.match(/"minItems":1/g)?.length, lists - 1);
});

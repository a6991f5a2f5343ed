// The policy file as `proxy check` and `proxy explain` read it: whole, and held to the listeners.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadPolicies } from "../../../src/proxy-tls/policy/load.ts";
import { PolicySet } from "../../../src/proxy-tls/policy/policy-set.ts";
import { temporaryDirectory } from "../../identity-client/helpers.ts";
import { inboundTcp, proxyConfig } from "../support/proxy.ts";

const { listeners } = proxyConfig([inboundTcp(9)]);

test("policies that do not fit the listeners do not load, although each of them is good", async () => {
  const file = join(temporaryDirectory(), "policies.json");
  const policy = (to: object): object => ({ name: "p", action: "allow", rules: [{ to }] });
  writeFileSync(file, JSON.stringify({ policies: [policy({ paths: ["/a"] })] }));
  await assert.rejects(loadPolicies(file, listeners), { code: "MCA_PROXY_POLICY_CONFLICT" });
  writeFileSync(file, JSON.stringify({ policies: [policy({ ports: [8443] })] }));
  assert.equal((await loadPolicies(file, listeners)).policies.length, 1);
});

test("no file is no policy: everything is denied", async () => {
  assert.equal(await loadPolicies(null, listeners), PolicySet.empty);
});

// docs/proxy.md names every metric that there is, with its labels, and no other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readProjectFile } from "../../../scripts/lib/files.ts";
import { primaryMetrics } from "../../../src/proxy-tls/admin/primary-metrics.ts";
import { catalogue, type MetricEntry } from "../../../src/proxy-tls/observe/catalogue.ts";
import { adminView } from "../support/admin-view.ts";
import { proxyConfig } from "../support/proxy.ts";
import { TestDomain, TestState } from "../support/state.ts";

const page = readProjectFile("docs/proxy.md");

function primaryNames(): string[] {
  const domain = new TestDomain("mesh.example");
  const state = new TestState("spiffe://mesh.example/a", domain.identity("/a"), [domain.trust()]);
  const listeners = [{ direction: "inbound", name: "in", protocol: "tcp", target: { port: 1 } }];
  return primaryMetrics(adminView(state, proxyConfig(listeners))).map(({ name }) => name);
}

test("docs/proxy.md lists every metric, and none that is not there", () => {
  const entries: readonly MetricEntry[] = Object.values(catalogue);
  const there = new Set([...entries.map(({ name }) => name), ...primaryNames()]);
  const named = new Set([...page.matchAll(/`(mesh_ca_proxy_[a-z_]+)`/g)].map(([, name = ""]) => name));
  assert.deepEqual(
    [...there].filter((name) => !named.has(name)),
    [],
  );
  assert.deepEqual(
    [...named].filter((name) => !there.has(name)),
    [],
  );
});

test("docs/proxy.md lists the labels of each metric in a table row", () => {
  for (const { name, labels } of Object.values<MetricEntry>(catalogue)) {
    const row = page.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${name}\``));
    assert.ok(row?.split("|")[2]?.trim() === labels.join(", "), `${name}: ${labels.join(", ")}`);
  }
});

// docs/proxy.md names every metric that there is, with its labels, and no other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filesBelow, readProjectFile } from "../../../scripts/lib/files.ts";
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

/** The literals of a type that is a union of them. */
function unionOf(type: string): string[] {
  const source = readProjectFile("src/proxy-tls/observe/records.ts");
  const [, body = ""] = new RegExp(`export type ${type} =([\\s\\S]*?");\n`).exec(source) ?? [];
  return [...body.matchAll(/"([a-z0-9-]+)"/g)].map(([, name = ""]) => name);
}

test("every event and every end that has a name is one that the data plane tells, and stands in docs/proxy.md", () => {
  const source = filesBelow("src/proxy-tls", (path) => path.endsWith(".ts") && !path.endsWith("/records.ts"))
    .map(readProjectFile)
    .join("\n");
  for (const [type, metric] of [
    ["ObservedEvent", "mesh_ca_proxy_events_total"],
    ["ConnectionEnd", "mesh_ca_proxy_connections_ended_total"],
  ] as const) {
    const names = unionOf(type);
    assert.ok(names.length > 8);
    const row = page.split("\n").find((line) => line.includes(`\`${metric}\``)) ?? "";
    for (const name of names) {
      assert.ok(source.includes(`"${name}"`), `${name} is told by nobody`);
      assert.ok(row.includes(`\`${name}\``), `${name} is not in docs/proxy.md`);
    }
  }
});

// The admin listener by itself: what it answers, what it never tells, and what it does not take.
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { adminApp, startAdmin } from "../../../src/proxy-tls/admin/app.ts";
import type { AdminView } from "../../../src/proxy-tls/admin/view.ts";
import { parseProxyConfig } from "../../../src/proxy-tls/config/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { parsePrometheusText } from "../../identity-api/http/prometheus-text.ts";
import { adminView } from "../support/admin-view.ts";
import { exchangeRecord } from "../support/records.ts";
import { TestDomain, TestState } from "../support/state.ts";

const config = parseProxyConfig({
  identity: { kind: "mesh-ca", stateDir: "/var/lib/proxy", joinTokenFile: "/run/secrets/token" },
  listeners: [{ direction: "inbound", name: "inbound", protocol: "http", target: { port: 8_080 } }],
  admin: { port: 0 },
});

function setUp(changes: Partial<AdminView> = {}) {
  const domain = new TestDomain("mesh.example");
  const identity = domain.identity("/cart");
  const state = new TestState("spiffe://mesh.example/cart", identity, [
    domain.trust(),
    new TestDomain("partner.example").trust({ authorities: undefined }),
  ]);
  const view = adminView(state, config, changes);
  const time = identity.notAfter - 90_500;
  const options = { view, clock: { now: () => time }, logger: silentLogger };
  return { domain, identity, state, view, options, app: adminApp(options) };
}

test("/healthz says that the process answers, ready or not", async () => {
  const finding = { code: "MCA_X", sentence: "No identity yet." };
  const answer = await setUp({ notReady: () => [finding] }).app.inject("/healthz");
  assert.deepEqual([answer.statusCode, answer.json()], [200, { status: "alive" }]);
});

test("/readyz is 503 with each reason until there is none; notes stop nothing", async () => {
  const finding = { code: "MCA_X", sentence: "No identity yet." };
  const note = { code: "MCA_Y", sentence: "The policy file is broken; the last good one is in force." };
  let reasons = [finding];
  const { app } = setUp({ notReady: () => reasons, notes: () => [note] });
  let answer = await app.inject("/readyz");
  assert.deepEqual([answer.statusCode, answer.json()], [503, { status: "not ready", reasons, notes: [note] }]);
  reasons = [];
  answer = await app.inject("/readyz");
  assert.deepEqual([answer.statusCode, answer.json()], [200, { status: "ready", reasons: [], notes: [note] }]);
});

test("/certs tells the chain, its end and whom the proxy trusts, and never a key", async () => {
  const { app, identity, state } = setUp();
  const answer = await app.inject("/certs");
  const page = answer.json();
  assert.equal(page.identity.spiffeId, "spiffe://mesh.example/cart");
  assert.equal(page.identity.notAfter, new Date(identity.notAfter).toISOString());
  assert.equal(page.identity.secondsLeft, 90);
  assert.equal(page.identity.chain.length, 2);
  assert.deepEqual(page.identity.chain[0].uris, ["spiffe://mesh.example/cart"]);
  assert.match(page.identity.chain[0].sha256, /^[0-9a-f]{64}$/);
  const domains = page.trustDomains.map(
    ({ name, anchors, authorities }: Record<"name" | "anchors" | "authorities", []>) => [
      ...[name, anchors.length, authorities.length],
    ],
  );
  assert.deepEqual(domains, [
    ["mesh.example", 1, 1],
    ["partner.example", 1, 0],
  ]);
  assert.doesNotMatch(answer.body, /PRIVATE KEY|privateKey/);
  const key = identity.privateKeyPem.split("\n")[1] ?? "";
  assert.ok(key.length > 30 && !answer.body.includes(key));

  state.set({ identity: undefined });
  assert.equal((await app.inject("/certs")).json().identity, null);
});

test("/config tells the effective configuration, the policies in force and how reloads went; paths of secrets, never secrets", async () => {
  const problem = { code: "MCA_PROXY_POLICY_INVALID", sentence: "policies[0] has no name." };
  const { app } = setUp({ reloads: () => [{ source: "policies", succeeded: 2, failed: 1, problem }], crashes: 3 });
  const page = (await app.inject("/config")).json();
  assert.equal(page.config.identity.joinTokenFile, "/run/secrets/token");
  assert.equal(page.config.timeouts.headMs, 10_000, "defaults are there");
  assert.deepEqual(page.policies.names, ["web-may-call"]);
  assert.equal(page.policies.sha256, "ab".repeat(32));
  assert.deepEqual(page.reloads, [{ source: "policies", succeeded: 2, failed: 1, problem }]);
  assert.deepEqual(page.workers, [{ pid: 7, serving: true }]);
  assert.equal(page.crashes, 3);
});

test("/metrics is Prometheus text with the data plane's numbers and the primary's own", async () => {
  const { app, view, identity } = setUp({
    crashes: 2,
    reloads: () => [{ source: "policies", succeeded: 4, failed: 1, problem: undefined }],
  });
  view.observer.exchange(exchangeRecord());
  const answer = await app.inject("/metrics");
  assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  const samples = parsePrometheusText(answer.body);
  const value = (name: string, labels: Record<string, string> = {}) =>
    samples.find(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([label, text]) => sample.labels.get(label) === text),
    )?.value;
  assert.equal(value("mesh_ca_proxy_requests_total", { listener: "inbound", status: "2xx" }), 1);
  assert.equal(value("mesh_ca_proxy_request_seconds_count"), 1);
  assert.equal(value("mesh_ca_proxy_ready"), 1);
  assert.equal(value("mesh_ca_proxy_certificate_not_after_seconds"), Math.floor(identity.notAfter / 1_000));
  assert.equal(value("mesh_ca_proxy_workers"), 1);
  assert.equal(value("mesh_ca_proxy_worker_crashes_total"), 2);
  assert.equal(value("mesh_ca_proxy_reloads_total", { source: "policies", result: "failed" }), 1);
});

test("without an identity the page has no expiry rather than a wrong one, and says that the proxy is not ready", async () => {
  const { app, state } = setUp({ notReady: () => [{ code: "MCA_X", sentence: "No identity yet." }] });
  state.set({ identity: undefined });
  const samples = parsePrometheusText((await app.inject("/metrics")).body);
  assert.equal(
    samples.find(({ name }) => name === "mesh_ca_proxy_certificate_not_after_seconds"),
    undefined,
  );
  assert.equal(samples.find(({ name }) => name === "mesh_ca_proxy_ready")?.value, 0);
});

test("a page that cannot be made is a 500 that tells nothing of the inside", async () => {
  const answer = await setUp({ metrics: () => Promise.reject(new Error("a secret inside")) }).app.inject("/metrics");
  assert.equal(answer.statusCode, 500);
  assert.doesNotMatch(answer.body, /secret inside/);
});

test("it takes nothing: other methods, other paths and bodies are refused", async () => {
  const { app } = setUp();
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] as const) {
    for (const url of ["/readyz", "/config", "/metrics"]) {
      assert.equal((await app.inject({ method, url })).statusCode, 404, `${method} ${url}`);
    }
  }
  for (const url of ["/", "/quitquitquit", "/config/../certs/x", "/metrics/", "/%63onfig/x"]) {
    assert.equal((await app.inject(url)).statusCode, 404, url);
  }
});

test("a name that somebody else's page has led here is refused: only addresses and localhost are served", async () => {
  const { app } = setUp();
  const ask = async (host: string) => (await app.inject({ url: "/config", headers: { host } })).statusCode;
  for (const host of ["127.0.0.1:15000", "localhost", "LOCALHOST:1", "[::1]:15000", "127.0.0.1"]) {
    assert.equal(await ask(host), 200, host);
  }
  for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:15000", "x@127.0.0.1", "::1"]) {
    assert.equal(await ask(host), 421, host);
  }
});

test("over a socket: it listens where the configuration says, bounds heads, and frees its port", async () => {
  const { options } = setUp();
  const listener = await startAdmin(options);
  const { host, port } = listener.address;
  const ask = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const asked = request({ host, port, path: "/readyz", headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject);
      asked.end();
    });
  try {
    assert.equal(host, "127.0.0.1");
    assert.equal(await ask({}), 200);
    assert.equal(await ask({ "x-large": "a".repeat(10_000) }), 431);
    const taken = { ...options, view: { ...options.view, config: { ...config, admin: { host, port } } } };
    await assert.rejects(startAdmin(taken), { code: "MCA_PROXY_LISTEN_FAILED" });
  } finally {
    await listener.close();
  }
  const again = await startAdmin({
    ...options,
    view: { ...options.view, config: { ...config, admin: { host, port } } },
  });
  await again.close();
});

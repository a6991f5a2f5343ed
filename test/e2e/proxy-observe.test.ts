// The log and the numbers of a proxy of several processes, as Prometheus and whoever reads standard output see them.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parsePrometheusText } from "../identity-api/http/prometheus-text.ts";
import { answering, OK } from "../proxy-tls/support/http.ts";
import { connectClient, startBackend } from "../proxy-tls/support/sockets.ts";
import { TestDomain } from "../proxy-tls/support/state.ts";
import { SvidFiles } from "../proxy-tls/support/svid-files.ts";
import { until } from "../support/until.ts";
import { endProxies, ProxyProcess } from "./proxy-process.ts";

const domain = new TestDomain("example.test");
const POLICY = { name: "callers", action: "allow", rules: [{ from: { ids: ["spiffe://example.test/caller"] } }] };
const CONNECTIONS = 40;

after(endProxies);

test("numbers of all processes are added up and never go back; every request has one whole line, also at the end", async () => {
  await using backend = await startBackend(answering(OK));
  const svid = new SvidFiles(domain);
  svid.swap({ identity: domain.identity("/proxy") });
  const policyFile = join(mkdtempSync(join(tmpdir(), "mesh-ca-observe-")), "policies.yaml");
  writeFileSync(policyFile, JSON.stringify({ policies: [POLICY] }));
  const target = { port: backend.port };
  const proxy = new ProxyProcess({
    config: {
      ...{ identity: svid.config, policyFile, workers: 2 },
      listeners: [{ direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0, target }],
    },
  });
  const port = await proxy.serving("in");
  const caller = domain.identity("/caller");
  let asked = 0;
  const call = async (): Promise<void> => {
    const client = await connectClient(port, caller, { alpn: ["http/1.1"] });
    asked += 1;
    client.socket.write(`GET /${asked} HTTP/1.1\r\nhost: service.test\r\n\r\n`);
    await until(() => client.text.endsWith("ok") || client.closed !== "no", "the answer");
    assert.match(client.text, /^HTTP\/1\.1 200 /);
    client.socket.destroy();
  };
  const requests = async (): Promise<number> => {
    const samples = parsePrometheusText((await proxy.admin("/metrics")).text);
    const counted = samples.filter(({ name }) => name === "mesh_ca_proxy_requests_total");
    return counted.reduce((sum, { value }) => sum + value, 0);
  };

  await Promise.all(Array.from({ length: CONNECTIONS }, call));
  await until(async () => (await requests()) === CONNECTIONS, "all are counted");
  const workers: { pid: number }[] = JSON.parse((await proxy.admin("/config")).text).workers;
  process.kill(workers[0]?.pid ?? 0, "SIGKILL");
  await proxy.line("worker.ended");
  assert.equal(await requests(), CONNECTIONS, "those of the dead one stay");
  await until(async () => (await proxy.admin("/metrics")).text.includes("\nmesh_ca_proxy_workers 2\n"), "two again");
  await Promise.all(Array.from({ length: CONNECTIONS }, call));
  await until(async () => (await requests()) === 2 * CONNECTIONS, "the new one counts on");
  assert.match((await proxy.admin("/metrics")).text, /^mesh_ca_proxy_worker_crashes_total 1$/m);

  proxy.signal("SIGTERM");
  assert.equal(await proxy.ended, 0);
  const lines = proxy.stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  const targets = lines.map(({ event, target: path }) => `${event} ${path}`).sort();
  assert.deepEqual(targets, Array.from({ length: asked }, (_, index) => `proxy.request /${index + 1}`).sort());
  for (const { decision } of lines) assert.equal(decision.policy, "callers");
});

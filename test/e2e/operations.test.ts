// What probes and Prometheus see of a whole server: every reason for not being ready that can be brought about, and metrics whose
// labels no caller can choose. (A lost database, a foreign one and a missing key: not-issuing.test.ts.)
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import { startServer } from "../../src/identity-api/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { createCsr } from "../../src/x509/index.ts";
import { jwks, testKey } from "../identity-api/attest/jwt-support.ts";
import { parsePrometheusText, type Sample } from "../identity-api/http/prometheus-text.ts";
import { temporaryFolder } from "../support/postgres.ts";
import {
  call,
  closeClients,
  connect,
  enrol,
  issue,
  local,
  newKey,
  readyz,
  refusal,
  startTestServer,
  type TestServer,
  until,
} from "./fixture.ts";

after(closeClients);

async function metricsOf(on: TestServer): Promise<{ text: string; samples: Sample[] }> {
  const { host, port } = on.server.addresses.operations;
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  return { text, samples: parsePrometheusText(text) };
}

const codesOf = async (on: TestServer): Promise<string[]> => (await readyz(on)).body.reasons.map(({ code }) => code);

test("clocks that differ: not ready with MCA_CLOCK_SKEW, and ready again when they agree", async () => {
  let offset = 0;
  const on = await startTestServer({ clock: { now: () => systemClock.now() + offset } });
  try {
    assert.deepEqual(await codesOf(on), []);
    offset = 30_000;
    await until(async () => (await codesOf(on)).includes("MCA_CLOCK_SKEW"), "readiness tells of the clocks", 60_000);
    assert.equal((await readyz(on)).status, 503);
    offset = 0;
    await until(async () => (await readyz(on)).status === 200, "it is ready again", 60_000);
  } finally {
    await on.close();
  }
});

test("an authority that expired while the server was down: not ready, and it says so", async () => {
  const on = await startTestServer();
  await on.stop();
  const clock = { now: () => systemClock.now() + 8 * 86_400_000 };
  const again = await startTestServer({ again: on, clock });
  try {
    const { status, body } = await readyz(again);
    assert.equal(status, 503);
    const codes = body.reasons.map(({ code }) => code);
    assert.ok(codes.includes("MCA_AUTHORITY_EXPIRED"), JSON.stringify(body));
    assert.equal(again.server.addresses.grpc, undefined, "the TLS port stays closed");
    for (const { sentence } of body.reasons) assert.ok(sentence.length > 20, sentence);
  } finally {
    await again.close();
  }
});

test("another configuration's rules: the replica that has not got them is not ready, and both hashes are told", async () => {
  const on = await startTestServer();
  const folder = await temporaryFolder();
  const other = {
    ...on.config,
    replica: 2,
    dataDir: on.dataDir.replace(/data$/, "second"),
    rules: [],
  };
  const { mkdir } = await import("node:fs/promises");
  await mkdir(other.dataDir, { recursive: true, mode: 0o711 });
  const server = await startServer(other, { logger: silentLogger }).catch((error: unknown) => error);
  try {
    assert.ok(!(server instanceof Error), String(server));
    await until(async () => (await codesOf(on)).includes("MCA_RULES_DIFFER"), "the first replica notices");
    const { body } = await readyz(on);
    assert.match(JSON.stringify(body), /"found":"[0-9a-f]{64}","expected":"[0-9a-f]{64}"/);
  } finally {
    if (!(server instanceof Error)) await (server as Awaited<ReturnType<typeof startServer>>).close();
    await rm(folder, { recursive: true });
    await on.close();
  }
});

test("a second server with the same replica number on one database is refused", async () => {
  const on = await startTestServer();
  const { mkdir } = await import("node:fs/promises");
  const dataDir = on.dataDir.replace(/data$/, "second");
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  try {
    await assert.rejects(startServer({ ...on.config, dataDir }, { logger: silentLogger }), {
      code: "MCA_REPLICA_IN_USE",
    });
    await enrol(on, "undisturbed");
  } finally {
    await on.close();
  }
});

test("an attestor that cannot do its work is a note and a metric; the server stays ready", async () => {
  const folder = await temporaryFolder();
  const jwksFile = join(folder, "keys.json");
  await writeFile(jwksFile, jwks(testKey()));
  const on = await startTestServer({
    changes: {
      attestors: {
        token: { kind: "join-token" },
        idp: { kind: "jwt", issuer: "https://idp.example", audience: "mesh-ca", jwksFile },
      },
    },
  });
  const problem = async (attestor: string) =>
    (await metricsOf(on)).samples.find(
      ({ name, labels }) => name === "mesh_ca_attestor_problem" && labels.get("attestor") === attestor,
    )?.value;
  try {
    assert.equal(await problem("idp"), 0);
    await writeFile(jwksFile, "no JSON at all");
    await until(async () => (await problem("idp")) === 1, "the metric tells of it", 30_000);
    assert.equal(await problem("token"), 0, "the others are fine");
    const { status, body } = await readyz(on);
    assert.equal(status, 200);
    assert.match(JSON.stringify(body), /"notes":\[\{"about":"attestor idp"/);
    await enrol(on, "still");
  } finally {
    await on.close();
    await rm(folder, { recursive: true });
  }
});

test("the metrics are Prometheus text, and nothing that a caller says becomes a label", async () => {
  const on = await startTestServer();
  const marker = "zqx7";
  try {
    const identity = await enrol(on, `svc-${marker}`);
    const client = connect(on.address, identity);
    const metadata = new Metadata();
    metadata.set("x-request-id", `id-${marker}`);
    metadata.set("user-agent", `agent-${marker}`);
    metadata.set("mca-reason", `reason-${marker}`);
    await issue(client, { csr: createCsr({ key: newKey() }) }, { metadata });
    const stranger = connect(on.address);
    await refusal(
      issue(stranger, { csr: new Uint8Array(1), evidence: { $case: "joinToken", value: `mcajt1.${marker}` } }),
    );
    const jwt = { $case: "jwt", value: { token: `${marker}.${marker}.${marker}`, attestor: `attestor-${marker}` } };
    await refusal(issue(stranger, { csr: new Uint8Array(1), evidence: jwt as never }));
    const { registry } = local(on.server);
    await refusal(call(registry, registry.deleteRule, { name: `rule-${marker}` }));
    const unknown = new Promise((resolve, reject) =>
      stranger.makeUnaryRequest(
        `/meshca.${marker}/Method`,
        (value: Buffer) => value,
        (value: Buffer) => value,
        Buffer.alloc(0),
        (error, value) => (error === null ? resolve(value) : reject(error)),
      ),
    );
    assert.equal((await refusal(unknown)).mca, "MCA_METHOD_UNKNOWN");
    const { text, samples } = await metricsOf(on);
    assert.ok(samples.length > 20);
    assert.equal(
      text.includes(marker),
      false,
      text.split("\n").find((line) => line.includes(marker)),
    );
    assert.equal(text.includes("127.0.0.1"), false);
    const refused = samples.filter(({ name }) => name === "mesh_ca_calls_refused_total");
    assert.ok(refused.some(({ labels }) => labels.get("method") === "unknown"));
  } finally {
    await on.close();
  }
});

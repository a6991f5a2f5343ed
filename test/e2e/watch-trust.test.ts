// WatchTrust against a whole server: open to everybody, snapshot first, heartbeats, an orderly end.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HEARTBEAT_MS } from "../../src/identity-api/grpc/trust-watchers.ts";
import { parseCertificate } from "../../src/x509/index.ts";
import { until } from "../support/until.ts";
import { closeClients, connect, local, startTestServer, type TestServer } from "./fixture.ts";
import { watch } from "./watch.ts";

let on: TestServer;
before(async () => {
  on = await startTestServer();
});
after(async () => {
  closeClients();
  await on.close();
});

for (const [who, client] of [
  ["over TLS without a certificate", () => connect(on.address)],
  ["on the admin socket", () => local(on.server).identity],
] as const) {
  test(`the snapshot comes first ${who}, and then a heartbeat within the interval`, async () => {
    const watching = watch(client());
    await watching.next(1);
    const snapshotAt = performance.now();
    const [first] = watching.messages;
    assert.ok(first?.update?.$case === "snapshot");
    const { snapshot } = { snapshot: first.update.value };
    assert.equal(snapshot.trustDomain, "example.test");
    assert.equal(snapshot.serverId, "spiffe://example.test/mesh-ca/server");
    assert.equal(snapshot.authorities.length, 1);
    assert.equal(parseCertificate(snapshot.anchors[0] ?? new Uint8Array()).basicConstraints?.ca, true);
    await watching.next(2);
    assert.ok(performance.now() - snapshotAt < 2 * HEARTBEAT_MS, "one interval, not two");
    assert.equal(watching.messages[1]?.update?.$case, "heartbeat");
    assert.equal(watching.messages[1]?.revision, first.revision);
    watching.stream.cancel();
    await watching.ended;
  });
}

test("another trust domain is refused by name", async () => {
  const error = await watch(connect(on.address), "other.test").ended;
  assert.equal(error.metadata.get("mca-code")[0], "MCA_TRUST_DOMAIN_UNKNOWN");
});

test("a stopping server ends the stream with UNAVAILABLE and a code that brings callers back", async () => {
  const other = await startTestServer();
  const watching = watch(connect(other.address));
  await watching.next(1);
  const [error] = await Promise.all([watching.ended, other.close()]);
  assert.equal(error.metadata.get("mca-code")[0], "MCA_SHUTTING_DOWN");
  assert.equal(error.code, 14);
});

test("two hundred watchers are served, and their going leaves nothing behind", async () => {
  const client = connect(on.address);
  const all = Array.from({ length: 200 }, () => watch(client));
  await Promise.all(all.map((each) => each.next(1)));
  const count = async (): Promise<string> => {
    const { host, port } = on.server.addresses.operations;
    const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
    return /^mesh_ca_trust_watchers(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1] ?? "?";
  };
  assert.equal(await count(), "200");
  for (const each of all) each.stream.cancel();
  await Promise.all(all.map((each) => each.ended));
  await until(async () => (await count()) === "0", "nothing is left");
});

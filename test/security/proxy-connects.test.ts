// Bug class: a connection to a target that is still being made outlives whoever asked for it, or waits for ever, or shows a certificate of ours
// that nobody takes any more.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { startFullTarget, startMuteTarget } from "../proxy-tls/support/deaf-targets.ts";
import { GET, inboundHttp } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, inboundTcp, outboundTcp, startProxy, type TestProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, connectPlain, End, startTlsBackend } from "../proxy-tls/support/sockets.ts";
import { soon, until } from "../support/until.ts";

const SERVER = "spiffe://example.test/server";
const CLIENT = world.identity("/client");
/** No test waits so long: whatever ends before, was ended by somebody. */
const PATIENT = { timeouts: { connectMs: 120_000 } };

const upstreams = (proxy: TestProxy): number | undefined => proxy.plane.counts()[0]?.upstreamConnections;

async function leavesNothing(proxy: TestProxy): Promise<void> {
  await until(() => proxy.observer.connections.length === 1, "the record");
  assert.equal(proxy.observer.connections[0]?.end, "downstream-reset");
  await until(() => upstreams(proxy) === 0, "the place is given back");
  assert.equal(proxy.observer.counted("upstream-connect-failed"), 0, "nothing is told of the target");
  assert.deepEqual(proxy.log.lines, []);
}

test("a client that leaves while its target's handshake is under way takes the connection to it along", async () => {
  await using target = await startMuteTarget();
  await using proxy = await startProxy({ listeners: [outboundTcp(target.port, [SERVER])], settings: PATIENT });
  const client = await connectPlain({ port: proxy.port("out") });
  await until(() => target.sockets.length === 1, "the handshake has begun");
  assert.equal(upstreams(proxy), 1);
  client.reset();
  await leavesNothing(proxy);
  target.sockets[0]?.resume();
  await until(() => target.sockets[0]?.closed === true, "the target's end is closed");
});

test("a client that leaves while its target is not even reached is forgotten with its connection", async () => {
  await using target = await startFullTarget();
  await using proxy = await startProxy({
    ...{ listeners: [inboundTcp(target.port)], policies: [ALLOW_ALL], settings: PATIENT },
  });
  const client = await connectClient(proxy.port("in"), CLIENT);
  await until(() => upstreams(proxy) === 1, "the connection is being made");
  client.reset();
  await leavesNothing(proxy);
  await until(() => !process.getActiveResourcesInfo().includes("ConnectWrap"), "nobody knocks any more");
});

test("a client that is no longer allowed while its target is not reached is ended", async () => {
  await using target = await startFullTarget();
  await using proxy = await startProxy({
    ...{ listeners: [inboundTcp(target.port)], policies: [ALLOW_ALL], settings: PATIENT },
  });
  const client = await connectClient(proxy.port("in"), CLIENT);
  await until(() => upstreams(proxy) === 1, "the connection is being made");
  proxy.setPolicies([]);
  await client.whenClosed();
  await until(() => proxy.observer.connections.length === 1 && upstreams(proxy) === 0, "nothing is left");
  assert.equal(proxy.observer.connections[0]?.end, "no-longer-allowed");
});

const outboundHttp = (port: number): object =>
  outboundTcp(port, [SERVER], { protocol: "http", authorities: ["service.test"] });

async function isUnavailable(proxy: TestProxy, client: End): Promise<void> {
  client.socket.write(GET);
  await soon(() => client.text.includes("\r\n\r\n"), "an answer", 5_000);
  assert.match(client.text, /^HTTP\/1\.1 503 [\s\S]*"reason":"connect-failed"/);
  await until(() => upstreams(proxy) === 0, "the place is given back");
}

test("timeouts.connectMs: over HTTP, too, a target that never shakes hands is given up, and its socket closed", async () => {
  await using target = await startMuteTarget();
  await using proxy = await startProxy({
    ...{ listeners: [outboundHttp(target.port)], settings: { timeouts: { connectMs: 100 } } },
  });
  await isUnavailable(proxy, await connectPlain({ port: proxy.port("out") }));
  target.sockets[0]?.resume();
  await until(() => target.sockets[0]?.closed === true, "the target's end is closed");
  assert.deepEqual([...new Set(proxy.log.codes())], ["MCA_TLS_TIMEOUT"]);
});

test("timeouts.connectMs: over HTTP, too, a target that cannot be reached is given up", async () => {
  await using target = await startFullTarget();
  await using proxy = await startProxy({
    ...{ listeners: [inboundHttp(target.port)], policies: [ALLOW_ALL], settings: { timeouts: { connectMs: 100 } } },
  });
  const client = await connectClient(proxy.port("in"), CLIENT, { alpn: ["http/1.1"] });
  await isUnavailable(proxy, client);
  client.socket.destroy();
  assert.deepEqual([...new Set(proxy.log.codes())], ["MCA_PROXY_UPSTREAM_TIMEOUT"]);
});

for (const [what, withdraw] of [
  ["has expired", (proxy: TestProxy) => (proxy.clock.offsetMs = 2 * 3_600_000)],
  ["is gone", (proxy: TestProxy) => proxy.state.set({ identity: undefined })],
] as const) {
  test(`where our own certificate ${what}, no target is asked; it goes on with the next one`, async (t) => {
    const far = { notAfter: Date.now() + 10 * 3_600_000 };
    const backend = await startTlsBackend(world.identity("/server", far));
    t.after(() => backend[Symbol.asyncDispose]());
    await using proxy = await startProxy({
      listeners: [outboundTcp(backend.port, [SERVER])],
      identity: world.identity("/proxy", { notAfter: Date.now() + 3_600_000 }),
    });
    withdraw(proxy);
    // It may be refused before it knows that it was taken.
    await new End(connect(proxy.port("out"), "127.0.0.1")).whenClosed();
    await until(() => proxy.observer.connections.length === 1, "the record");
    assert.equal(proxy.observer.connections[0]?.end, "upstream-unavailable");
    assert.deepEqual(proxy.log.codes(), ["MCA_PROXY_UPSTREAM_UNAVAILABLE"]);
    assert.equal(backend.ends.length, 0);
    proxy.state.set({ identity: world.identity("/proxy", far) });
    const next = await connectPlain({ port: proxy.port("out") });
    await backend.end();
    next.socket.destroy();
  });
}

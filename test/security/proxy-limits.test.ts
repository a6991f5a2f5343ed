// Bug class: a bound that stands in the configuration and bounds nothing. Each is set low, reached, counted, and gives its place back.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { ALLOW_ALL, inboundTcp, outboundTcp, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, connectPlain, End, startBackend, startTlsBackend } from "../proxy-tls/support/sockets.ts";
import { openTcpPath } from "../proxy-tls/support/tcp-path.ts";
import { soon, until } from "../support/until.ts";

const SERVER = "spiffe://example.test/server";

/** A TCP connection that says nothing. */
function silent(t: TestContext, port: number): End {
  const socket = connect({ host: "127.0.0.1", port });
  t.after(() => socket.destroy());
  return new End(socket);
}

test("limits.connections: an inbound listener has no more, and takes another one when one has gone", async () => {
  await using path = await openTcpPath({ settings: { limits: { connections: 1 } } });
  const { proxy, client, server } = path;
  const refused = (): number => proxy.plane.counts()[0]?.refused.get("MCA_TLS_OVERLOADED") ?? 0;
  await assert.rejects(connectClient(proxy.port("in"), world.identity("/late")));
  assert.equal(refused(), 1);
  for (const { socket } of [client, server]) socket.destroy();
  await until(() => proxy.plane.counts()[0]?.connections === 0, "the place is free");
  const next = await connectClient(proxy.port("in"), world.identity("/late"));
  next.socket.destroy();
});

test("limits.connections: an outbound listener has no more, and takes another one when one has gone", async () => {
  await using path = await openTcpPath({ direction: "outbound", settings: { limits: { connections: 1 } } });
  const { proxy, client, server, backend } = path;
  const late = await connectPlain({ port: proxy.port("out") });
  await late.whenEnded();
  assert.equal(proxy.observer.counted("connection-limit"), 1);
  for (const { socket } of [client, server]) socket.destroy();
  await until(() => proxy.plane.counts()[0]?.connections === 0, "the place is free");
  const next = await connectPlain({ port: proxy.port("out") });
  await backend.end(1);
  next.socket.destroy();
});

test("limits.upstreamConnections: a tcp listener asks its target for no more, and says so", async () => {
  await using path = await openTcpPath({ settings: { limits: { upstreamConnections: 1 } } });
  const { proxy, backend } = path;
  const late = await connectClient(proxy.port("in"), world.identity("/late"));
  await late.whenClosed();
  assert.equal(proxy.observer.counted("upstream-limit"), 1);
  assert.equal(proxy.observer.connections[0]?.end, "overloaded");
  assert.equal(backend.ends.length, 1);
});

test("limits.handshakes: no more are in progress, and who gets no place is counted", async (t) => {
  await using proxy = await startProxy({
    listeners: [inboundTcp(9)],
    policies: [ALLOW_ALL],
    settings: { limits: { handshakes: 1 } },
  });
  const [first] = [silent(t, proxy.port("in")), silent(t, proxy.port("in"))];
  await until(() => proxy.plane.counts()[0]?.refused.get("MCA_TLS_OVERLOADED") === 1, "one of two is refused");
  assert.equal(proxy.plane.counts()[0]?.handshakes, 1);
  first.socket.destroy();
});

test("timeouts.handshakeMs: who has said nothing until then is gone", async (t) => {
  await using proxy = await startProxy({ listeners: [inboundTcp(9)], settings: { timeouts: { handshakeMs: 100 } } });
  const mute = silent(t, proxy.port("in"));
  await soon(() => mute.closed !== "no" || mute.ended, "it is gone", 5_000);
});

test("timeouts.connectMs: a target that takes the connection and never shakes hands is given up", async (t) => {
  const deaf = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => deaf.listen(0, "127.0.0.1", resolve));
  t.after(() => deaf.close());
  const address = deaf.address();
  assert.ok(address !== null && typeof address === "object");
  await using proxy = await startProxy({
    listeners: [outboundTcp(address.port, [SERVER])],
    settings: { timeouts: { connectMs: 100 } },
  });
  const client = await connectPlain({ port: proxy.port("out") });
  await soon(() => client.closed !== "no", "it is given up", 3_000);
  await until(() => proxy.observer.connections.length === 1, "the record");
  assert.equal(proxy.observer.connections[0]?.end, "upstream-unavailable");
});

test("timeouts.tcpIdleMs: 0 is no bound", async () => {
  await using path = await openTcpPath({ settings: { timeouts: { tcpIdleMs: 0 } } });
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(path.client.closed, "no");
});

test("minTlsVersion: a client of TLS 1.2 is refused unless the listener says otherwise", async () => {
  await using backend = await startBackend();
  const listeners = [inboundTcp(backend.port), inboundTcp(backend.port, { name: "old", minTlsVersion: "1.2" })];
  await using proxy = await startProxy({ listeners, policies: [ALLOW_ALL] });
  const old = { tls: { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } } as const;
  await assert.rejects(connectClient(proxy.port("in"), world.identity("/client"), old));
  const client = await connectClient(proxy.port("old"), world.identity("/client"), old);
  assert.equal(client.socket.getProtocol(), "TLSv1.2");
  client.socket.destroy();
});

test("to.ports: the port that a tcp listener is bound to counts, also where the system chose it", async () => {
  await using backend = await startBackend();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)] });
  proxy.setPolicies([{ name: "port", action: "allow", rules: [{ to: { ports: [proxy.port("in")] } }] }]);
  const client = await connectClient(proxy.port("in"), world.identity("/client"));
  await backend.end();
  client.socket.destroy();
});

test("trust that changes while a target's handshake is under way counts for that connection", async (t) => {
  const backend = await startTlsBackend(world.identity("/server"));
  t.after(() => backend[Symbol.asyncDispose]());
  // Between the two: holds back what the target says until trust has changed.
  let release = (): void => {};
  const relay = createServer((near) => {
    const far = connect({ host: "127.0.0.1", port: backend.port });
    for (const socket of [near, far]) socket.on("error", () => {});
    near.pipe(far);
    release = () => void far.pipe(near);
    t.after(() => [near, far].map((socket) => socket.destroy()));
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  t.after(() => relay.close());
  const address = relay.address();
  assert.ok(address !== null && typeof address === "object");
  await using proxy = await startProxy({ listeners: [outboundTcp(address.port, [SERVER])] });
  const client = await connectPlain({ port: proxy.port("out") });
  const held = release;
  await until(() => release !== held, "the handshake has begun");
  const revocation = { kind: "id", spiffeId: SERVER, issuedBefore: Date.now() + 3_600_000 } as const;
  proxy.setTrust([world.trust({ revocations: [revocation] })]);
  release();
  await client.whenClosed();
  await until(() => proxy.observer.connections.length === 1, "the record");
  assert.equal(proxy.observer.connections[0]?.end, "no-longer-trusted");
});

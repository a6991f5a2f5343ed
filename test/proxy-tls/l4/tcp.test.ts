// A tcp listener from accept to record: both directions, by identity.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../../tls/support/endpoints.ts";
import { ALLOW_ALL, inboundTcp, outboundTcp, startProxy, world } from "../support/proxy.ts";
import { connectClient, connectPlain, startBackend, startEcho, startTlsBackend } from "../support/sockets.ts";

const client = world.identity("/client");

test("inbound: bytes pass in both directions, and the record tells who, where and how much", async () => {
  await using backend = await startEcho();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const end = await connectClient(proxy.port("in"), client);
  end.socket.write("hello");
  assert.equal(await end.receive(5), "hello");
  end.socket.end();
  await until(() => proxy.observer.connections.length === 1, "the record");
  const [record] = proxy.observer.connections;
  assert.ok(record !== undefined);
  const { startedAt, durationMs, decision, ...rest } = record;
  assert.ok(startedAt > 0 && durationMs > 0);
  assert.equal(decision?.policy, "all");
  assert.deepEqual(rest, {
    listener: "in",
    peer: "spiffe://example.test/client",
    remoteAddress: "127.0.0.1",
    upstream: `127.0.0.1:${backend.port}`,
    upstreamPeer: undefined,
    receivedBytes: 5,
    sentBytes: 5,
    end: "closed",
  });
});

test("inbound: without a policy that allows, no byte reaches the target and the client sees a reset", async () => {
  await using backend = await startBackend();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)] });
  const end = await connectClient(proxy.port("in"), client);
  end.socket.write("hello");
  await end.whenClosed();
  assert.equal(end.error, "ECONNRESET");
  assert.equal(backend.ends.length, 0);
  await until(() => proxy.observer.connections.length === 1, "the record");
  assert.equal(proxy.observer.connections[0]?.end, "denied");
  assert.equal(proxy.observer.connections[0]?.decision?.reason, "default-deny");
});

test("outbound: plaintext becomes mTLS to the expected identity", async () => {
  await using backend = await startTlsBackend(world.identity("/server"), ({ socket }) => {
    socket.on("data", (chunk: Buffer) => socket.write(chunk));
    socket.on("end", () => socket.end("bye"));
  });
  await using proxy = await startProxy({ listeners: [outboundTcp(backend.port, ["spiffe://example.test/server"])] });
  const end = await connectPlain({ port: proxy.port("out") });
  end.socket.end("hello");
  await end.whenEnded();
  assert.equal(end.text, "hellobye");
  await until(() => proxy.observer.connections.length === 1, "the record");
  const [record] = proxy.observer.connections;
  assert.equal(record?.upstreamPeer, "spiffe://example.test/server");
  assert.equal(record?.decision, undefined);
  assert.equal(record?.end, "closed");
});

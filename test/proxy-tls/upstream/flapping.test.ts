// Targets that come, go and change: each connection is made by what is true at its moment.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientContext } from "../../../src/tls/client-context.ts";
import { ALLOW_ALL, inboundTcp, outboundTcp, startProxy, world } from "../support/proxy.ts";
import { connectClient, connectPlain, startBackend, startTlsBackend } from "../support/sockets.ts";

test("a target that goes and comes back is used again at once, and its absence is told by a reset", async () => {
  const first = await startBackend(({ socket }) => socket.end("one"));
  const { port } = first;
  await using proxy = await startProxy({ listeners: [inboundTcp(port)], policies: [ALLOW_ALL] });
  const client = world.identity("/client");
  const ask = async (): Promise<string> => {
    const end = await connectClient(proxy.port("in"), client);
    end.socket.end();
    await end.whenClosed();
    return end.error ?? end.text;
  };
  assert.equal(await ask(), "one");
  await first[Symbol.asyncDispose]();
  assert.equal(await ask(), "ECONNRESET");
  await using _second = await startBackend(({ socket }) => socket.end("two"), port);
  assert.equal(await ask(), "two");
  assert.deepEqual(
    proxy.observer.connections.map(({ end }) => end),
    ["closed", "upstream-unavailable", "closed"],
  );
});

test("targets see our new certificate from the first connection after a rotation, by a context that is made once", async () => {
  const seen: (string | undefined)[] = [];
  await using backend = await startTlsBackend(world.identity("/server"), ({ socket }) => {
    seen.push(socket.getPeerX509Certificate()?.serialNumber);
    socket.end("x");
  });
  const [before, after] = [world.identity("/proxy"), world.identity("/proxy")];
  await using proxy = await startProxy({
    listeners: [outboundTcp(backend.port, ["spiffe://example.test/server"])],
    identity: before,
  });
  for (let turn = 0; turn < 4; turn++) {
    if (turn === 2) proxy.state.set({ identity: after });
    const end = await connectPlain({ port: proxy.port("out") });
    end.socket.end();
    await end.whenEnded();
  }
  assert.equal(seen[0], seen[1]);
  assert.equal(seen[2], seen[3]);
  assert.notEqual(seen[1], seen[2]);
  assert.equal(clientContext(before), clientContext(before));
  assert.notEqual(clientContext(before), clientContext(after));
});

// Bug class: a connection that broke is told as one that ended, or one direction's end takes the other one along. Half-close is
// honoured and abortive close is passed on, in both directions of both kinds of listener.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { ALLOW_ALL, inboundTcp, startProxy, type TestProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, startBackend } from "../proxy-tls/support/sockets.ts";
import { openTcpPath } from "../proxy-tls/support/tcp-path.ts";
import { until } from "../tls/support/endpoints.ts";

async function endOf(proxy: TestProxy): Promise<string | undefined> {
  await until(() => proxy.observer.connections.length === 1, "the record");
  return proxy.observer.connections[0]?.end;
}

for (const direction of ["inbound", "outbound"] as const) {
  test(`${direction}: a client that has ended its direction still receives, and the target learns of the end at once`, async () => {
    await using path = await openTcpPath({ direction });
    path.client.socket.end("last words");
    await path.server.whenEnded();
    assert.equal(path.server.text, "clast words");
    assert.equal(path.server.closed, "no");
    // Long after the end, and in more than one piece.
    for (const word of ["one", "two", "three"]) {
      path.server.socket.write(word);
      await path.client.receive(1 + word.length);
    }
    path.server.socket.end();
    await path.client.whenClosed();
    assert.equal(path.client.text, "sonetwothree");
    assert.equal(await endOf(path.proxy), "closed");
  });

  test(`${direction}: a target that has ended its direction still receives`, async () => {
    await using path = await openTcpPath({ direction });
    path.server.socket.end("done");
    await path.client.whenEnded();
    assert.equal(path.client.text, "sdone");
    assert.equal(path.client.closed, "no");
    path.client.socket.write("more");
    await path.server.receive(5);
    path.client.socket.end("over");
    await path.server.whenClosed();
    assert.equal(path.server.text, "cmoreover");
    assert.equal(await endOf(path.proxy), "closed");
  });

  test(`${direction}: a client that resets the connection resets the target's`, async () => {
    await using path = await openTcpPath({ direction });
    path.client.reset();
    await path.server.whenClosed();
    assert.equal(path.server.error, "ECONNRESET");
    assert.equal(path.server.ended, false);
    assert.equal(await endOf(path.proxy), "downstream-reset");
  });

  test(`${direction}: a target that resets the connection resets the client's: a part is never told as the whole`, async () => {
    await using path = await openTcpPath({ direction });
    path.server.socket.write("half of an ans");
    await path.client.receive(15);
    path.server.reset();
    await path.client.whenClosed();
    assert.equal(path.client.error, "ECONNRESET");
    assert.equal(path.client.ended, false);
    assert.equal(await endOf(path.proxy), "upstream-reset");
  });

  test(`${direction}: a reset after a half-close is still a reset`, async () => {
    await using path = await openTcpPath({ direction });
    path.client.socket.end();
    await path.server.whenEnded();
    path.server.socket.write("half");
    await path.client.receive(5);
    path.server.reset();
    await path.client.whenClosed();
    assert.equal(path.client.error, "ECONNRESET");
    assert.equal(path.client.ended, false);
    assert.equal(await endOf(path.proxy), "upstream-reset");
  });

  test(`${direction}: megabytes pass in both directions at once, however slowly they are taken`, async () => {
    await using path = await openTcpPath({ direction });
    const up = randomBytes(4 << 20);
    const down = randomBytes(4 << 20);
    // Nobody reads: what waits is bounded by the sockets' buffers, and the rest stays with its sender.
    path.client.socket.pause();
    path.server.socket.pause();
    path.client.socket.end(up);
    path.server.socket.end(down);
    await new Promise((resolve) => setTimeout(resolve, 50));
    path.client.socket.resume();
    path.server.socket.resume();
    await Promise.all([path.client.whenClosed(), path.server.whenClosed()]);
    assert.equal(sha256(path.server.bytes.subarray(1)), sha256(up));
    assert.equal(sha256(path.client.bytes.subarray(1)), sha256(down));
    assert.equal(await endOf(path.proxy), "closed");
    const [record] = path.proxy.observer.connections;
    assert.deepEqual([record?.receivedBytes, record?.sentBytes], [up.length + 1, down.length + 1]);
  });

  test(`${direction}: what the target does not take stays with the client`, async () => {
    await using path = await openTcpPath({ direction });
    path.server.socket.pause();
    const size = 64 << 20;
    for (let piece = 0; piece < 64; piece++) path.client.socket.write(Buffer.alloc(1 << 20));
    let left = size;
    // The kernel's buffers fill up, megabytes of them, and then nothing moves any more.
    await until(() => {
      const before = left;
      left = path.client.socket.writableLength;
      return left < size && left === before;
    }, "the buffers are full");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(path.client.socket.writableLength > size / 2, `${path.client.socket.writableLength} bytes left`);
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

test("an end that comes before the target is connected ends the connection, instead of staying for good", async () => {
  await using backend = await startBackend(({ socket }) => socket.on("end", () => socket.end()));
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const end = await connectClient(proxy.port("in"), world.identity("/client"));
  // Together with the last message of the handshake: it is there before anybody at the proxy reads.
  end.socket.end();
  await end.whenClosed();
  assert.equal(end.error, undefined);
  await until(() => proxy.observer.connections.length === 1, "the record");
  assert.equal(proxy.observer.connections[0]?.end, "closed");
});

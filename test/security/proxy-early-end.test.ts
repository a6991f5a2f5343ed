// Bug class: an end that comes together with the end of the handshake is missed, because nobody listens yet, and the connection stays
// for ever. A middle-man holds back what the client sends after its hello, and delivers it in one piece with the end.
import assert from "node:assert/strict";
import { type AddressInfo, createServer, connect as netConnect } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import { clientTlsOptions } from "../../src/tls/index.ts";
import { ALLOW_ALL, inboundTcp, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { End, startEcho } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const client = world.identity("/client");

/** Passes the client's first flight on, and the rest, with its end, in one write. */
async function startHoldingBack(port: number) {
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = netConnect({ port, host: "127.0.0.1" });
    const held: Buffer[] = [];
    let hello = true;
    near.on("data", (chunk: Buffer) => {
      if (hello) far.write(chunk);
      else held.push(chunk);
      hello = false;
    });
    near.on("end", () => far.end(Buffer.concat(held)));
    far.pipe(near);
    for (const socket of [near, far]) socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, [Symbol.dispose]: () => void server.close() };
}

/** Handshake, perhaps some bytes, and end, all that follows the hello in one segment. */
async function connectAndEnd(port: number, alpn: readonly string[], bytes: string): Promise<End> {
  const socket = connect({ ...clientTlsOptions(client, { alpn }), host: "127.0.0.1", port });
  const end = new End(socket);
  socket.once("secureConnect", () => socket.end(bytes));
  await end.whenClosed();
  return end;
}

for (const bytes of ["", "a few words"]) {
  test(`tcp: ${bytes || "nothing"} and the end arrive with the handshake: all of it reaches the target`, async () => {
    await using backend = await startEcho();
    await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
    using middle = await startHoldingBack(proxy.port("in"));
    const end = await connectAndEnd(middle.port, [], bytes);
    assert.equal(end.text, bytes);
    await until(() => proxy.observer.connections.length === 1, "the record");
    assert.equal(proxy.observer.connections[0]?.end, "closed");
    assert.equal(proxy.plane.counts()[0]?.connections, 0);
  });
}

for (const alpn of ["h2", "http/1.1"]) {
  test(`${alpn}: a client that ends with its handshake leaves nothing behind`, async () => {
    await using backend = await startEcho();
    await using proxy = await startProxy({
      listeners: [inboundTcp(backend.port, { protocol: "http" })],
      policies: [ALLOW_ALL],
    });
    using middle = await startHoldingBack(proxy.port("in"));
    await connectAndEnd(middle.port, [alpn], "");
    await until(() => proxy.plane.counts()[0]?.connections === 0, "the connection is gone");
    assert.equal(proxy.plane.counts()[0]?.accepted, 1);
  });
}

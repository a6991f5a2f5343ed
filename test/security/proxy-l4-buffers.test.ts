// Bug class: what belongs to one connection is told to another. Bulk of plaintext targets is read into buffers that are used again, by
// whichever connection reads next: none may be overwritten while a piece in it still has to be sent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ALLOW_ALL, inboundTcp, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, startBackend } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

/** More than the kernel keeps for a client that does not read. */
const BYTES = 12 << 20;

test("every client receives its own target's bytes, whoever is slow, and whoever leaves with pieces waiting", async () => {
  await using backend = await startBackend(({ socket }) => {
    // The client names its letter; its target says nothing else.
    socket.once("data", (letter: Buffer) => socket.end(Buffer.alloc(BYTES, letter)));
  });
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const letters = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const clients = await Promise.all(
    letters.map(async (letter) => ({ letter, end: await connectClient(proxy.port("in"), world.identity("/client")) })),
  );
  const [slow, leaving] = [clients.slice(0, 3), clients.slice(3, 5)];
  for (const { end } of [...slow, ...leaving]) end.socket.pause();
  for (const { letter, end } of clients) end.socket.end(letter);
  await Promise.all(clients.slice(5).map(({ end }) => end.receive(BYTES)));
  for (const { end } of leaving) end.reset();
  // Theirs and those of the fast ones, whose records come when everything was sent.
  await until(() => proxy.observer.connections.length === letters.length - slow.length, "the records");
  for (const { end } of slow) end.socket.resume();
  for (const { letter, end } of [...slow, ...clients.slice(5)]) {
    await end.whenEnded();
    assert.ok(end.bytes.equals(Buffer.alloc(BYTES, letter)), `${letter} received ${end.length} bytes, not all its own`);
  }
});

// Who is connected, and how many from one sender: what the bounds of a listener count by. Sockets are only what they are told to be.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { Connections } from "../../src/tls/connections.ts";

class FakeSocket extends EventEmitter {
  destroy(): void {
    this.emit("close");
  }
}

function connected(connections: Connections<string>, sender: string, expiresAt?: number): FakeSocket {
  const socket = new FakeSocket();
  const connection = { socket: socket as unknown as TLSSocket, verdict: "cart", remoteAddress: sender };
  connections.add(connection, sender, expiresAt);
  return socket;
}

test("a sender's connections are counted until each of them is closed, and no other's with them", () => {
  const connections = new Connections<string>();
  const [first, second] = [connected(connections, "192.0.2.1"), connected(connections, "192.0.2.1")];
  connected(connections, "192.0.2.2");
  assert.equal(connections.countOf("192.0.2.1"), 2);
  first.destroy();
  assert.equal(connections.countOf("192.0.2.1"), 1);
  second.destroy();
  assert.deepEqual([connections.countOf("192.0.2.1"), connections.countOf("192.0.2.2")], [0, 1]);
  assert.deepEqual([connections.size, connections.accepted], [1, 3]);
});

test("only those are ended whose time has come: one without an end has none", () => {
  const connections = new Connections<string>();
  connected(connections, "a", 100);
  connected(connections, "b", 101);
  connected(connections, "c");
  const ended = connections.destroyExpired(100);
  assert.deepEqual(
    ended.map(({ remoteAddress }) => remoteAddress),
    ["a"],
  );
  assert.equal(connections.size, 2);
});

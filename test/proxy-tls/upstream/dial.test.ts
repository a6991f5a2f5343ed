// What is read from a plaintext target, through the buffer that all of them share: it is still the same when others have been read.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { dial } from "../../../src/proxy-tls/upstream/dial.ts";

/** A target, and its sockets in the order in which they came. */
async function target(t: TestContext): Promise<{ port: number; next(): Promise<Socket> }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on("error", () => {})));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const next = async (): Promise<Socket> => {
    for (;;) {
      const socket = sockets.shift();
      if (socket !== undefined) return socket;
      await once(server, "connection");
    }
  };
  return { port: (server.address() as AddressInfo).port, next };
}

async function pair(t: TestContext): Promise<{ ours: Socket; theirs: Socket }> {
  const { port, next } = await target(t);
  const ours = await dial({ kind: "tcp", host: "127.0.0.1", port }, { plaintext: true, timeoutMs: 10_000 });
  t.after(() => ours.destroy());
  return { ours, theirs: await next() };
}

test("What was read from one target is not overwritten by what comes next, from it or from another", async (t) => {
  const one = await pair(t);
  const other = await pair(t);
  one.theirs.write("first of one");
  const [first] = (await once(one.ours, "data")) as [Buffer];
  one.theirs.write("SECOND OF ONE");
  const [second] = (await once(one.ours, "data")) as [Buffer];
  other.theirs.write("an answer of another");
  await once(other.ours, "data");
  assert.equal(first.toString(), "first of one");
  assert.equal(second.toString(), "SECOND OF ONE");
});

test("Bulk that is kept is what was sent, and back pressure holds", async (t) => {
  const { ours, theirs } = await pair(t);
  const sent = Buffer.alloc(4 * 1024 * 1024, "0123456789abcdef?");
  theirs.end(sent);
  const kept: Buffer[] = [];
  for await (const chunk of ours) {
    kept.push(chunk);
    if (kept.length % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const hash = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  assert.equal(hash(Buffer.concat(kept)), hash(sent));
});

test("A target's end and its reset are told as by any socket", async (t) => {
  const ended = await pair(t);
  ended.theirs.end("bye");
  ended.ours.resume();
  await once(ended.ours, "end");
  const cut = await pair(t);
  cut.theirs.resetAndDestroy();
  cut.ours.resume();
  await new Promise((resolve) => cut.ours.once("close", resolve));
  assert.equal(cut.ours.readableEnded, false);
});

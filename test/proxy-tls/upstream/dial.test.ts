// What is read from a plaintext target, through the buffer that all of them share: it is still the same when others have been read.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { dial } from "../../../src/proxy-tls/upstream/dial.ts";
import { claimBuffer } from "../../../src/proxy-tls/upstream/read-buffer.ts";

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

test("A piece of bulk is claimed once, and read over only after it was given back", async (t) => {
  const { ours, theirs } = await pair(t);
  theirs.write(Buffer.alloc(8 * 1024 * 1024, "x"));
  /** The buffers of so many pieces, and what gives them back. */
  const take = async (count: number) => {
    const taken = new Map<ArrayBufferLike, () => void>();
    for (let claimed = 0; claimed < count; ) {
      const [chunk] = (await once(ours, "data")) as [Buffer];
      assert.ok(!taken.has(chunk.buffer), "read over while it is held");
      const giveBack = claimBuffer(chunk);
      if (giveBack === undefined) continue;
      assert.equal(claimBuffer(chunk), undefined);
      taken.set(chunk.buffer, giveBack);
      claimed += 1;
    }
    return taken;
  };
  const first = await take(20);
  for (const giveBack of first.values()) {
    giveBack();
    giveBack();
  }
  const second = await take(15);
  assert.ok(
    [...second.keys()].some((buffer) => first.has(buffer)),
    "what was given back is used",
  );
});

test("Short pieces lie in no buffer that could be given back", async (t) => {
  const { ours, theirs } = await pair(t);
  theirs.write("short");
  const [chunk] = (await once(ours, "data")) as [Buffer];
  assert.equal(claimBuffer(chunk), undefined);
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

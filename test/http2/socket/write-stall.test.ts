// Who reads slowly, and who does not read: on a real socket. Time is what `lastsMs` is told.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { WriteStall } from "../../../src/http2/index.ts";
import { until } from "../../support/until.ts";

async function pair(): Promise<{ readonly writer: Socket; readonly reader: Socket } & Disposable> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const reader = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
  const [writer] = (await once(server, "connection")) as [Socket];
  return {
    writer,
    reader,
    [Symbol.dispose]() {
      writer.destroy();
      reader.destroy();
      server.close();
    },
  };
}

/** What went out, when it no longer grows: the kernel's buffers are full. */
async function settled(writer: Socket): Promise<number> {
  let before = -1;
  await until(async () => {
    const taken = writer.bytesWritten - writer.writableLength;
    await new Promise((resolve) => setTimeout(resolve, 20));
    const same = taken === before;
    before = taken;
    return same;
  }, "nothing more goes out");
  return before;
}

test("what nobody takes lasts from the first look, until something is taken", async () => {
  using sockets = await pair();
  const { writer, reader } = sockets;
  const stall = new WriteStall(writer);
  assert.equal(stall.lastsMs(1_000), 0, "nothing waits");
  assert.equal(stall.lastsMs(9_000), 0, "nothing waits still");
  for (let pieces = 0; pieces < 400; pieces += 1) writer.write(Buffer.alloc(64 * 1024));
  const taken = await settled(writer);
  assert.equal(writer.writableNeedDrain, true, "more than the kernel's buffers hold");
  assert.equal(stall.lastsMs(10_000), 0, "the first look at it");
  assert.equal(stall.lastsMs(10_250), 250);
  assert.equal(stall.lastsMs(12_500), 2_500);
  // What is written behind it is not taken either.
  writer.write(Buffer.alloc(64 * 1024));
  assert.equal(stall.lastsMs(13_000), 3_000);

  // A slow reader takes some of it.
  for (let read = 0; read < 8 * 1024 * 1024; ) read += (reader.read() as Buffer | null)?.length ?? (await moment());
  reader.pause();
  await until(() => writer.bytesWritten - writer.writableLength > taken, "some is taken");
  await settled(writer);
  assert.equal(writer.writableNeedDrain, true);
  assert.equal(stall.lastsMs(14_000), 0, "it takes some");
  assert.equal(stall.lastsMs(15_000), 1_000);

  reader.resume();
  await until(() => writer.writableLength === 0, "all is taken");
  assert.equal(stall.lastsMs(20_000), 0, "nothing waits");
  assert.equal(stall.lastsMs(30_000), 0);
});

async function moment(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1));
  return 0;
}

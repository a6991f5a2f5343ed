// A connection that is silent keeps none of the memory that it wrote to and read from: there are tens of thousands of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FrameHandler, FrameReader } from "../../src/http2/frame-reader.ts";
import { Output } from "../../src/http2/output.ts";
import { frame, PING } from "../proxy-tls/support/http2-frames.ts";
import { alive } from "./support/alive.ts";
import { FakeSink } from "./support/fake-sink.ts";

class NotingSink extends FakeSink {
  readonly memory: WeakRef<object>[] = [];

  override write(bytes: Uint8Array): boolean {
    this.memory.push(new WeakRef(bytes.buffer));
    return super.write(bytes);
  }
}

function say(output: Output, bytes: number): void {
  output.commit(output.reserve(bytes) + bytes);
  output.flush();
}

test("a silent connection does not hold the slab that it wrote in last", async () => {
  const busy = new FakeSink();
  const other = new Output(busy);
  const silent = Array.from({ length: 20 }, () => {
    const sink = new NotingSink();
    const output = new Output(sink);
    say(output, 17);
    sink.take();
    // Others fill the slab meanwhile.
    for (let index = 0; index < 5; index += 1) say(other, 15_000);
    busy.take();
    return { sink, output };
  });
  const left = await alive(silent.flatMap(({ sink }) => sink.memory));
  assert.ok(left <= 1, `${left} slabs live`);
  for (const { output } of silent) assert.equal(output.backlog, 0);
});

test("nor the memory of a frame that came in parts", async () => {
  const memory: WeakRef<object>[] = [];
  const handler: FrameHandler = {
    dataBegins() {},
    dataPiece() {},
    dataEnds() {},
    frame(_type, _flags, _stream, buffer) {
      memory.push(new WeakRef(buffer.buffer));
    },
  };
  const readers = Array.from({ length: 10 }, () => {
    const reader = new FrameReader(handler, false);
    const bytes = frame(PING, 0, 0, Buffer.alloc(16_000));
    for (let at = 0; at < bytes.length; at += 1_000) reader.read(bytes.subarray(at, at + 1_000));
    return reader;
  });
  assert.equal(memory.length, 10);
  const left = await alive(memory);
  assert.ok(left <= 1, `${left} frames live`);
  for (const reader of readers) assert.equal(reader.unfinished, 0);
});

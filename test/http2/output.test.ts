// What is collected for a sink: bodies wait by the sink's own mark, so that it always tells when they may go on.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { Output } from "../../src/http2/output.ts";

for (const writableHighWaterMark of [1_000, 65_536, 1_000_000]) {
  test(`an output is full where its sink, of ${writableHighWaterMark} bytes, will have to drain`, async () => {
    const sink = new PassThrough({ writableHighWaterMark, readableHighWaterMark: 1 });
    const output = new Output(sink);
    const piece = Buffer.alloc(500);
    let bytes = 0;
    for (; !output.full; bytes += piece.length) output.add(piece);
    assert.ok(bytes >= writableHighWaterMark && bytes < writableHighWaterMark + piece.length);
    output.flush();
    assert.equal(sink.writableNeedDrain, true);
    assert.equal(output.full, true);
    const drained = new Promise((resolve) => sink.once("drain", resolve));
    sink.resume();
    await drained;
    assert.equal(output.full, false);
  });
}

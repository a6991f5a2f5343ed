// How much of bodies a connection takes at a time (RFC 9113 section 6.9): room for one of each stream, within bounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Http2Server } from "../../src/http2/index.ts";
import { takeFrames, WINDOW_UPDATE } from "../proxy-tls/support/http2-frames.ts";
import { FakeSink } from "./support/fake-sink.ts";
import { ToldServer } from "./support/told.ts";

const SPARE = 1024 * 1024;

for (const [streams, bodies] of [
  [1, 8],
  [20, 20],
  [100, 100],
  [10_000, 100],
] as const) {
  test(`with ${streams} streams it has room for ${bodies} bodies of a stream's first window, and what streams may borrow`, async () => {
    const sink = new FakeSink();
    new Http2Server(sink, new ToldServer(), streams);
    await turn();
    const { frames } = takeFrames(sink.take().bytes);
    const update = frames.find(({ type, stream }) => type === WINDOW_UPDATE && stream === 0);
    assert.equal(update?.payload.readUInt32BE(0), (bodies - 1) * 65_535 + SPARE);
  });
}

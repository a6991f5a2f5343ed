// Content-length is counted here too, behind nghttp2: a body of another length is never a complete one. The stream is played by a test.
import assert from "node:assert/strict";
import type { Http2Stream } from "node:http2";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { FrameBudget } from "../../../../src/proxy-tls/http/h2/frame-budget.ts";
import { type BodySink, IncomingBody } from "../../../../src/proxy-tls/http/h2/incoming-body.ts";

/** What a body of `pieces` is told as where `expected` octets were announced; it ends as with END_STREAM. */
async function told(expected: number | undefined, ...pieces: string[]): Promise<string[]> {
  const events: string[] = [];
  const stream = new Readable({ read() {} }) as unknown as Http2Stream & Readable;
  const sink: BodySink = {
    data: (chunk) => void events.push(Buffer.from(chunk).toString("latin1")),
    complete: () => void events.push("complete"),
    broken: (why) => void events.push(why),
  };
  const body = new IncomingBody(stream, sink, new FrameBudget());
  body.begin(expected);
  for (const piece of pieces) stream.push(Buffer.from(piece));
  stream.push(null);
  await turn();
  return events;
}

test("a body is complete where it has as many octets as announced, or none were", async () => {
  assert.deepEqual(await told(4, "ab", "cd"), ["ab", "cd", "complete"]);
  assert.deepEqual(await told(undefined, "abc"), ["abc", "complete"]);
  assert.deepEqual(await told(0), ["complete"]);
});

test("a longer one is broken at the first octet too many, none of which is told, and a shorter one at its end", async () => {
  assert.deepEqual(await told(3, "ab", "cd", "ef"), ["ab", "body-longer-than-length"]);
  assert.deepEqual(await told(0, "a"), ["body-longer-than-length"]);
  assert.deepEqual(await told(5, "ab", "cd"), ["ab", "cd", "body-shorter-than-length"]);
  assert.deepEqual(await told(1), ["body-shorter-than-length"]);
});

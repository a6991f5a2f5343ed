// What leaves together, and in which order: seen by a sink that keeps each write.
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { CHUNK_END, chunkHeader } from "../../../../src/proxy-tls/http/h1/chunk-writer.ts";
import { TurnWriter } from "../../../../src/proxy-tls/http/h1/turn-writer.ts";

/** Keeps the length and text of each call of the sink; one call is one TLS record or system call. */
function sink(): { readonly stream: Writable; readonly calls: string[] } {
  const calls: string[] = [];
  const take = (...chunks: readonly Buffer[]): number => calls.push(Buffer.concat(chunks).toString("latin1"));
  const stream = new Writable({
    highWaterMark: 1_000_000,
    write(chunk, _encoding, done) {
      take(chunk);
      done();
    },
    writev(chunks, done) {
      take(...chunks.map(({ chunk }) => chunk as Buffer));
      done();
    },
  });
  return { stream, calls };
}

test("what is added in one turn leaves in one write, text as latin1", async () => {
  const { stream, calls } = sink();
  const writer = new TurnWriter(stream);
  writer.add("HTTP/1.1 200 OK\r\na: \xe9\r\n\r\n");
  writer.add(Buffer.from("body"));
  assert.deepEqual(calls, []);
  await new Promise(setImmediate);
  assert.deepEqual(calls, ["HTTP/1.1 200 OK\r\na: \xe9\r\n\r\nbody"]);
});

test("a chunk of any size leaves together with its size and its end", async () => {
  for (const bytes of [1, 32_767, 32_768, 65_536, 200_000]) {
    const { stream, calls } = sink();
    const writer = new TurnWriter(stream);
    const text = "x".repeat(bytes);
    writer.add(chunkHeader(bytes), true);
    writer.add(Buffer.from(text), true);
    writer.add(CHUNK_END);
    await new Promise(setImmediate);
    assert.equal(calls.length, 1, `${bytes} in ${calls.length} writes`);
    assert.equal(calls[0], `${bytes.toString(16)}\r\n${text}\r\n`);
  }
});

test("much is written before the turn ends, in order", async () => {
  const { stream, calls } = sink();
  const writer = new TurnWriter(stream);
  for (let i = 0; i < 100; i++) writer.add(Buffer.alloc(10_000, i));
  assert.ok(calls.length > 0);
  await new Promise(setImmediate);
  const text = calls.join("");
  assert.equal(text.length, 1_000_000);
  for (let i = 0; i < 100; i++) assert.equal(text.charCodeAt(i * 10_000), i);
});

test("what is discarded never leaves", async () => {
  const { stream, calls } = sink();
  const writer = new TurnWriter(stream);
  writer.add("half of a response");
  writer.discard();
  writer.flush();
  await new Promise(setImmediate);
  assert.deepEqual(calls, []);
});

// The kept corpus of the fuzz run (test/fuzz/http2.ts): each stream of a client reads alike at every split, and as nghttp2 reads it or stricter.
import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { check, keptStreams, lineOf } from "./support/http2-corpus.ts";

test("every stream of the corpus reads alike at every split, and as nghttp2 reads it or stricter", async () => {
  const streams = keptStreams();
  ok(streams.length > 50, `The corpus has only ${streams.length} streams.`);
  for (const stream of streams) strictEqual((await check(stream)).fault, undefined, lineOf(stream));
});

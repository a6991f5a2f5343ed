// The kept corpus of the fuzz run (test/fuzz/http1.ts): each stream reads alike at every split, and as node reads it or stricter.
import { ok, strictEqual } from "node:assert/strict";
import { after, before, test } from "node:test";
import { corpora } from "../../support/http1-corpus.ts";
import {
  type RequestReader,
  type ResponseReader,
  startRequestReader,
  startResponseReader,
} from "../../support/node-http.ts";

let requests: RequestReader;
let responses: ResponseReader;
before(async () => {
  requests = await startRequestReader();
  responses = await startResponseReader();
});
after(async () => {
  await requests[Symbol.asyncDispose]();
  await responses[Symbol.asyncDispose]();
});

test("every stream of the corpus reads alike at every split, and as node reads it or stricter", async () => {
  for (const { name, streams, check } of corpora(requests, responses)) {
    ok(streams.length > 50, `${name} has only ${streams.length} streams.`);
    for (const stream of streams) strictEqual((await check(stream)).fault, undefined, JSON.stringify(stream));
  }
});

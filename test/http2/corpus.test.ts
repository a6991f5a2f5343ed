// The kept corpora of the fuzz run (test/fuzz/http2.ts): each stream reads alike at every split, and as nghttp2 reads it or stricter.
import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { checkClient, serverCorpus } from "./support/check-client.ts";
import { checkServer, clientCorpus } from "./support/check-server.ts";

for (const { what, corpus, check } of [
  { what: "a client", corpus: clientCorpus, check: checkServer },
  { what: "a server", corpus: serverCorpus, check: checkClient },
]) {
  test(`every stream of ${what} reads alike at every split, and as nghttp2 reads it or stricter`, async () => {
    const streams = corpus.streams();
    ok(streams.length > 50, `The corpus has only ${streams.length} streams.`);
    for (const stream of streams) strictEqual((await check(stream)).fault, undefined, corpus.lineOf(stream));
  });
}

// A request that was refused by its head, whose client takes no answer and cancels: what it sent is nobody's, and its window comes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedStream } from "../../../../src/proxy-tls/http/h2/refused-stream.ts";
import { badRequest } from "../../../../src/proxy-tls/http/refusal.ts";
import { openServer } from "../../../http2/support/driven.ts";
import { data, END_STREAM, request, reset, settings, WINDOW_UPDATE } from "../../support/http2-frames.ts";

test("the body of a refused request gives its window back, though it came whole and the answer never left", () => {
  const server = openServer();
  server.told.take = ({ stream }) => new RefusedStream(stream).answer(badRequest("http2-protocol"));
  // No window for our answers.
  server.send(settings([4, 0]));
  let given = 0;
  for (let id = 1, sent = 0; sent < 300 * 1024; id += 2, sent += 16_000) {
    server.send(request(id, 0, "POST", "/"), data(id, END_STREAM, Buffer.alloc(16_000)), reset(id, 8));
    for (const { type, stream, payload } of server.frames()) {
      if (type === WINDOW_UPDATE && stream === 0) given += payload.readUInt32BE(0);
    }
  }
  assert.equal(server.code, undefined, server.told.fault?.message);
  assert.ok(given >= 256 * 1024, `${given} bytes`);
});

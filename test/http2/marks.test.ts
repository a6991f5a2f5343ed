// Fields that a client marks as never to be indexed: the mark is its own lists', and no connection writes anything else for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { END_HEADERS, END_STREAM, frame, HEADERS } from "../proxy-tls/support/http2-frames.ts";
import { indexed, literal } from "./hpack/support/blocks.ts";
import { type DrivenServer, openServer } from "./support/driven.ts";

const NAMES = 100;

/** A request in which a hundred made-up names are marked. */
function marking(stream: number): Buffer {
  const names = Array.from({ length: NAMES }, (_, index) => literal("never", `x-${stream}-${index}`, "1"));
  return request(stream, ...names);
}

function request(stream: number, ...fields: Buffer[]): Buffer {
  return frame(
    HEADERS,
    END_HEADERS | END_STREAM,
    stream,
    Buffer.concat([indexed(2), indexed(6), indexed(4), ...fields]),
  );
}

/** The blocks of two answers that say the same. */
function answers(server: DrivenServer): Buffer[] {
  for (const index of [0, 1]) server.request(index).stream.sendHead([":status", "200", "x-answer", "same"], true);
  return server.frames().flatMap(({ type, payload }) => (type === HEADERS ? [payload] : []));
}

test("three hundred made-up names that one client marks change nothing of what any connection indexes", () => {
  const marked = openServer();
  marked.send(marking(1), marking(3), marking(5));
  assert.deepEqual(
    marked.taken.map(({ fields }) => fields.neverIndexed?.size),
    [NAMES, NAMES, NAMES],
  );
  const other = openServer();
  other.send(request(1), request(3));
  for (const server of [marked, other]) {
    assert.deepEqual(answers(server), [
      Buffer.concat([indexed(8), literal("added", "x-answer", "same")]),
      Buffer.concat([indexed(8), indexed(62)]),
    ]);
  }
});

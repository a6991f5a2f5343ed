// A field that a peer marked as never to be indexed is written so by us (RFC 7541 section 6.2.3), on whatever connection it goes on.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackDecoder } from "../../../src/http2/hpack/decoder.ts";
import { HpackEncoder } from "../../../src/http2/hpack/encoder.ts";
import { MarkedNames } from "../../../src/http2/hpack/marked-names.ts";
import { encoded, literal } from "./support/blocks.ts";

const LIMITS = { maxTableBytes: 4_096, maxListBytes: 32_768, maxFields: 100 };

describe("A field that was marked as never to be indexed", () => {
  test("is written as such by every encoder that knows the marks, even where it was in the table before", () => {
    const marks = new MarkedNames();
    const decoder = new HpackDecoder(LIMITS, marks);
    const encoder = new HpackEncoder(marks);
    assert.deepEqual(encoded(encoder, ["x-api-key", "one"]), literal("added", "x-api-key", "one"));
    decoder.decode(Buffer.from(literal("never", "x-api-key", "two")));
    assert.deepEqual(encoded(encoder, ["x-api-key", "one"]), literal("never", "x-api-key", "one"));
    assert.deepEqual(encoded(new HpackEncoder(marks), ["x-api-key", "two"]), literal("never", "x-api-key", "two"));
    assert.deepEqual(encoded(encoder, ["x-other", "a"]), literal("added", "x-other", "a"));
  });

  test("is not what is only left out of the table", () => {
    const marks = new MarkedNames();
    new HpackDecoder(LIMITS, marks).decode(Buffer.from(literal("plain", "x-api-key", "two")));
    assert.equal(marks.has("x-api-key"), false);
  });

  test("is every field when more names were marked than are kept", () => {
    const marks = new MarkedNames();
    for (let name = 0; name < 255; name += 1) marks.add(`x-${name}`);
    assert.equal(marks.has("x-api-key"), false);
    for (let name = 255; name < 10_000; name += 1) marks.add(`x-${name}`);
    assert.equal(marks.has("x-api-key"), true);
  });
});

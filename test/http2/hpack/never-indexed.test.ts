// A field that came marked as never to be indexed is written so (RFC 7541 sections 6.2.3 and 7.1.3), and no other is for its sake.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackEncoder } from "../../../src/http2/hpack/encoder.ts";
import { keepMarks } from "../../../src/http2/index.ts";
import { encoded, indexed, literal, marked, newDecoder } from "./support/blocks.ts";

const FIELDS = ["x-api-key", "one"] as const;

describe("A list as it is read", () => {
  test("says which names came marked, and goes without where none did", () => {
    const decoder = newDecoder();
    const block = Buffer.concat([
      literal("added", "x-a", "1"),
      literal("never", ...FIELDS),
      literal("never", 4, "/secret"),
    ]);
    assert.deepEqual(decoder.decode(block).neverIndexed, new Set(["x-api-key", ":path"]));
    for (const kind of ["plain", "added"] as const) {
      assert.equal(Object.hasOwn(decoder.decode(literal(kind, ...FIELDS)), "neverIndexed"), false, kind);
    }
  });

  test("does not name credentials, which are written so in any case", () => {
    const names = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
    const fields = newDecoder().decode(Buffer.concat(names.map((name) => literal("never", name, "secret"))));
    assert.equal(fields.neverIndexed, undefined);
    for (const name of names) {
      assert.equal((encoded(new HpackEncoder(), [name, "secret"])[0] ?? 0) & 0xf0, 0x10, name);
    }
  });

  test("names no more than it may have fields, however many came", () => {
    const block = Buffer.concat(Array.from({ length: 5_000 }, (_, index) => literal("never", `x-${index}`, "")));
    for (const limits of [{ maxFields: 100 }, { maxListBytes: 3_600 }]) {
      const decoder = newDecoder(limits);
      assert.ok((decoder.decode(block).neverIndexed?.size ?? 0) <= 101);
      assert.equal(decoder.fault, "list-too-large");
    }
  });
});

describe("A list as it is written", () => {
  test("has its marks, though the field is in a table, and the same field of the next list is indexed", () => {
    const encoder = new HpackEncoder();
    assert.deepEqual(encoded(encoder, FIELDS), literal("added", ...FIELDS));
    assert.deepEqual(encoded(encoder, marked(FIELDS, "x-api-key")), literal("never", ...FIELDS));
    assert.deepEqual(encoded(encoder, FIELDS), indexed(62));
    assert.deepEqual(
      [...encoded(encoder, marked([":method", "GET", ...FIELDS], ":method"))],
      [...literal("never", 2, "GET"), ...indexed(62)],
    );
  });

  test("has the marks of the list that it was made from, and only if there are some", () => {
    const made = [...FIELDS];
    keepMarks(made, FIELDS);
    assert.equal(Object.hasOwn(made, "neverIndexed"), false);
    keepMarks(made, marked(FIELDS, "x-api-key"));
    assert.deepEqual(encoded(new HpackEncoder(), made), literal("never", ...FIELDS));
  });
});

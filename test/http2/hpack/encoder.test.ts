// The encoder: which representation a field gets (RFC 7541 section 6), what its table holds, and what it must never write.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackEncoder } from "../../../src/http2/hpack/encoder.ts";
import { EncodingTable } from "../../../src/http2/hpack/encoding-table.ts";
import { STATIC_ENTRIES, STATIC_FIELDS } from "../../../src/http2/hpack/static-table.ts";
import { encoded, indexed, literal, newDecoder, sizeUpdate } from "./support/blocks.ts";

const all = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);

describe("How a field is written", () => {
  test("every field of the static table is its number, unless it is a credential's name or changes with every call", () => {
    for (let entry = 1; entry <= STATIC_ENTRIES; entry += 1) {
      const [name = "", value = ""] = STATIC_FIELDS.slice(2 * entry - 2, 2 * entry);
      const isCredential = /^(proxy-)?authorization$|cookie$/.test(name);
      const expected = isCredential ? literal("never", entry, value) : indexed(entry);
      assert.deepEqual(encoded(new HpackEncoder(), [name, value]), expected, `${name}: ${value}`);
    }
  });

  test("a new field is added, with the name's number when there is one, and then it is one octet", () => {
    const encoder = new HpackEncoder();
    assert.deepEqual(
      encoded(encoder, ["user-agent", "one", "x-own", "two"]),
      all(literal("added", 58, "one"), literal("added", "x-own", "two")),
    );
    assert.deepEqual(encoded(encoder, ["user-agent", "one", "x-own", "two"]), all(indexed(63), indexed(62)));
    assert.deepEqual(encoded(encoder, ["x-own", "three"]), literal("added", 62, "three"));
    assert.deepEqual(encoded(encoder, ["x-own", "two", "x-own", "three"]), all(indexed(63), indexed(62)));
  });

  test("credentials are marked as never to be indexed, and never come from a table", () => {
    const encoder = new HpackEncoder();
    const fields = [
      "authorization",
      "Bearer x",
      "proxy-authorization",
      "Basic y",
      "cookie",
      "a=b",
      "set-cookie",
      "c=d",
    ];
    const expected = all(
      literal("never", 23, "Bearer x"),
      literal("never", 49, "Basic y"),
      literal("never", 32, "a=b"),
      literal("never", 55, "c=d"),
    );
    for (let round = 0; round < 3; round += 1) assert.deepEqual(encoded(encoder, fields), expected);
  });

  test("values that change with every call stay out of the table; a name of theirs that is not static comes into it once", () => {
    const encoder = new HpackEncoder();
    for (let round = 0; round < 3; round += 1) {
      assert.deepEqual(encoded(encoder, [":path", `/${round}`]), literal("plain", 4, `/${round}`));
      assert.deepEqual(encoded(encoder, ["content-length", "9"]), literal("plain", 28, "9"));
    }
    assert.deepEqual(encoded(encoder, ["traceparent", "1"]), literal("added", "traceparent", "1"));
    for (const value of ["2", "1", "3"]) {
      assert.deepEqual(encoded(encoder, ["traceparent", value]), literal("plain", 62, value));
    }
  });

  test("a field of more than 1024 bytes, or more than the table has, is not added", () => {
    const encoder = new HpackEncoder();
    const fits = "v".repeat(1024 - 32 - 1);
    assert.deepEqual(encoded(encoder, ["x", `${fits}v`]), literal("plain", "x", `${fits}v`));
    assert.deepEqual(encoded(encoder, ["x", fits]), literal("added", "x", fits));
    assert.deepEqual(encoded(encoder, ["x", `${fits}v`]), literal("plain", 62, `${fits}v`));
    encoder.setPeerTableBytes(40);
    assert.deepEqual(encoded(encoder, ["name", "12345"]), all(sizeUpdate(40), literal("plain", "name", "12345")));
    assert.deepEqual(encoded(encoder, ["name", "1234"]), literal("added", "name", "1234"));
  });

  test("strings of every length are written as they are, by the loop and by Node", () => {
    for (let length = 0; length <= 300; length += 1) {
      const value = Array.from({ length }, (_, index) => String.fromCharCode(33 + ((index * 7) % 223))).join("");
      const encoder = new HpackEncoder();
      assert.deepEqual(encoded(encoder, ["cookie", value]), literal("never", 32, value));
    }
  });
});

describe("The table's size", () => {
  test("a change goes out before the next field, once", () => {
    const encoder = new HpackEncoder();
    encoder.setPeerTableBytes(100);
    assert.deepEqual(encoded(encoder, [":method", "GET"]), all(sizeUpdate(100), indexed(2)));
    assert.deepEqual(encoded(encoder, [":method", "GET"]), indexed(2));
  });

  test("of several changes the smallest and the last go out, so that the peer evicts what we evicted", () => {
    const encoder = new HpackEncoder();
    encoded(encoder, ["x", "1"]);
    for (const bytes of [1000, 0, 500]) encoder.setPeerTableBytes(bytes);
    const expected = all(sizeUpdate(0), sizeUpdate(500), literal("added", "x", "1"));
    assert.deepEqual(encoded(encoder, ["x", "1"]), expected);
    for (const bytes of [0, 500]) encoder.setPeerTableBytes(bytes);
    assert.deepEqual(encoded(encoder, ["x", "1"]), expected);
  });

  test("we use 4096 bytes of what the peer offers, and say nothing when that changes nothing", () => {
    const encoder = new HpackEncoder();
    for (const bytes of [65_536, 4096, 0xffff_ffff]) encoder.setPeerTableBytes(bytes);
    assert.deepEqual(encoded(encoder, [":method", "GET"]), indexed(2));
    encoder.setPeerTableBytes(0);
    encoder.setPeerTableBytes(65_536);
    assert.deepEqual(encoded(encoder, [":method", "GET"]), all(sizeUpdate(0), sizeUpdate(4096), indexed(2)));
  });
});

describe("What a stranger's fields must not do", () => {
  test("names without end leave nothing behind them in the table", () => {
    const table = new EncodingTable();
    const names = Array.from({ length: 5000 }, (_, index) => `x-${index}`);
    for (const name of names) table.add(name, "v");
    const held = names.filter((name) => table.find(name) !== undefined);
    assert.ok(held.length > 50 && held.length <= 128, `${held.length} are held`);
    table.resize(0);
    assert.equal(names.filter((name) => table.find(name) !== undefined).length, 0);
  });

  test("values without end of one name leave nothing behind them either", () => {
    const table = new EncodingTable();
    for (let index = 0; index < 5000; index += 1) table.add("x-name", `${index}`);
    let chained = 0;
    for (let entry = table.find("x-name")?.newest; entry !== undefined; entry = entry.older) chained += 1;
    assert.ok(chained > 50 && chained <= 128, `${chained} are linked`);
  });

  for (const length of [1, 20, 33, 200]) {
    test(`a character above U+00FF in ${length} is a TypeError, not its low octet, and the next block is right`, () => {
      const encoder = new HpackEncoder();
      const decoder = newDecoder();
      decoder.decode(encoded(encoder, ["x-before", "1"]));
      for (const bad of ["\u010a", "\ud83d\ude00"]) {
        const value = `${"a".repeat(length - 1)}${bad}`;
        assert.throws(() => encoded(encoder, ["x-lost", "2", "x-bad", value]), TypeError);
        assert.throws(() => encoded(encoder, [`x-${value}`, "3"]), TypeError);
        const fields = ["x-before", "1", "x-lost", "2", "x-after", "4"];
        assert.deepEqual(decoder.decode(encoded(encoder, fields)), fields);
        const again = encoded(encoder, fields);
        assert.deepEqual(again, all(indexed(64), indexed(63), indexed(62)), "the table is in use again");
        assert.deepEqual(decoder.decode(again), fields);
      }
    });
  }
});

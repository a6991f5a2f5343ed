// The decoder: what is a connection error, what makes a list malformed or too large, and that the table stays in step whatever is found.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackError } from "../../../src/http2/hpack/decoder.ts";
import { FIELD_NAME, FIELD_VALUE } from "../support/field-grammar.ts";
import { hex, indexed, integer, literal, newDecoder, sizeUpdate, text } from "./support/blocks.ts";

const all = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);

describe("A block that cannot be decoded", () => {
  const cases: readonly (readonly [what: string, block: Buffer, message: RegExp])[] = [
    ["index 0", hex("80"), /no entry 0/],
    ["an index behind the static table, with an empty dynamic one", indexed(62), /no entry 62/],
    ["an index behind the dynamic table", all(literal("added", "a", "b"), indexed(63)), /no entry 63/],
    ["a huge index", indexed(0x0fff_fff0), /no entry/],
    ["a name of an entry that is not there", literal("plain", 62, "x"), /no entry 62/],
    ["a name behind the dynamic table", all(literal("added", "a", "b"), literal("added", 63, "x")), /no entry 63/],
    ["an integer that goes on for ever", all(hex("ff"), Buffer.alloc(100, 0x80)), /integer is larger/],
    ["an integer of 29 bits", hex("ff ffff ff7f"), /integer is larger/],
    ["an integer of five octets that says little", hex("ff 8080 8080 00"), /integer is larger/],
    ["an integer cut off", hex("ff 80"), /ends within an integer/],
    ["an integer that does not begin", hex("ff"), /ends within an integer/],
    ["a literal without its name", hex("40"), /ends within a field/],
    ["a literal without its value", all(hex("40"), text("abc")), /ends within a field/],
    ["a literal with a known name and no value", hex("41"), /ends within a field/],
    ["a string longer than the block", hex("4005 6162 63"), /longer than the block/],
    ["a value longer than the block", all(hex("41"), integer(0, 7, 1_000_000)), /longer than the block/],
    ["a Huffman string longer than the block", hex("4185 6162"), /longer than the block/],
    ["a Huffman string with a padding of zeros", hex("4181 18"), /Huffman/],
    ["a Huffman string with EOS in it", hex("4184 ffff fffc"), /Huffman/],
    ["a size update behind a field", all(indexed(2), sizeUpdate(100)), /size update/],
    ["a third size update", all(sizeUpdate(0), sizeUpdate(50), sizeUpdate(100)), /size update/],
    ["a size update above what we announced", sizeUpdate(4097), /above the size/],
    ["a huge size update", sizeUpdate(0x0fff_ffff), /above the size/],
  ];
  for (const [what, block, message] of cases) {
    test(`${what} is an error of the connection`, () => {
      assert.throws(
        () => newDecoder().decode(block),
        (error) => {
          assert.ok(error instanceof HpackError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  test("a block's end is where it is said to be, not where the buffer ends", () => {
    const whole = all(hex("82"), literal("plain", "a", "bcd"), hex("84"));
    const decoder = newDecoder();
    assert.deepEqual(decoder.decode(whole, 1, whole.length - 1), ["a", "bcd"]);
    for (let end = 2; end < whole.length - 1; end += 1) {
      assert.throws(() => decoder.decode(whole, 1, end), HpackError, `cut at ${end}`);
    }
    assert.deepEqual(decoder.decode(whole, 1, 1), []);
  });
});

describe("A list that is malformed", () => {
  const names: readonly (readonly [name: string, isGood: boolean])[] = [
    ["", false],
    ["a", true],
    ["x-a_b.c!#$%&'*+^`|~9", true],
    ["A", false],
    ["x-A", false],
    ["a b", false],
    [" a", false],
    ["a:", false],
    ["a\0", false],
    ["a\r", false],
    ["\u00e9", false],
    ["a\u007f", false],
    [":", false],
    [":path", true],
    [":anything", true],
    [":Path", false],
    [":a-b", false],
    [":a1", false],
    ["::a", false],
    [":a:", false],
  ];
  for (const [name, isGood] of names) {
    test(`the name ${JSON.stringify(name)} is ${isGood ? "fine" : "a fault"}`, () => {
      for (const coded of [false, true]) {
        const decoder = newDecoder();
        assert.deepEqual(decoder.decode(literal("plain", name, "v", coded)), [name, "v"]);
        assert.equal(decoder.fault, isGood ? undefined : "field-name");
      }
    });
  }

  test("each octet of a name and of a value is judged", () => {
    for (let octet = 0; octet < 256; octet += 1) {
      const text = `a${String.fromCharCode(octet)}b`;
      for (const coded of [false, true]) {
        const decoder = newDecoder();
        assert.deepEqual(decoder.decode(literal("plain", text, "v", coded)), [text, "v"]);
        assert.equal(decoder.fault, FIELD_NAME.test(text) ? undefined : "field-name", `octet ${octet}`);
        assert.deepEqual(decoder.decode(literal("plain", "x", text, coded)), ["x", text]);
        assert.equal(decoder.fault, FIELD_VALUE.test(text) ? undefined : "field-value", `octet ${octet}`);
      }
    }
  });

  test("long Huffman strings are judged and kept whole", () => {
    for (const length of [2000, 2559, 4096, 4097, 20_000]) {
      const value = "012".repeat(length).slice(0, length);
      const decoder = newDecoder();
      assert.deepEqual(decoder.decode(literal("plain", "x", value, true)), ["x", value]);
      assert.equal(decoder.fault, undefined);
      decoder.decode(literal("plain", "x", `${value}\n`, true));
      assert.equal(decoder.fault, "field-value");
    }
  });

  test("a value with white space at an end is a fault; an empty one is fine", () => {
    for (const value of [" ", "\t", " a", "a ", "\ta", "a\t", "a\r\n", "\n"]) {
      const decoder = newDecoder();
      decoder.decode(literal("plain", "x", value));
      assert.equal(decoder.fault, "field-value", JSON.stringify(value));
    }
    const decoder = newDecoder();
    decoder.decode(all(literal("plain", "x", ""), literal("plain", "x", "a b\tc")));
    assert.equal(decoder.fault, undefined);
  });

  test("what is wrong with a field is kept with its entry, and so is what is wrong with its name alone", () => {
    const decoder = newDecoder();
    decoder.decode(all(literal("added", "Bad", "v"), literal("added", "good", "v\0")));
    assert.equal(decoder.fault, "field-name");
    decoder.decode(indexed(2));
    assert.equal(decoder.fault, undefined);
    assert.deepEqual(decoder.decode(indexed(63)), ["Bad", "v"]);
    assert.equal(decoder.fault, "field-name");
    assert.deepEqual(decoder.decode(indexed(62)), ["good", "v\0"]);
    assert.equal(decoder.fault, "field-value");
    decoder.decode(literal("plain", 63, "fine"));
    assert.equal(decoder.fault, "field-name");
    decoder.decode(literal("plain", 62, "fine"));
    assert.equal(decoder.fault, undefined);
  });

  test("the first fault is the one that is told", () => {
    const decoder = newDecoder({ maxFields: 2 });
    decoder.decode(all(literal("plain", "a", "\0"), literal("plain", "A", "b"), indexed(2), indexed(2)));
    assert.equal(decoder.fault, "field-value");
    decoder.decode(all(indexed(2), indexed(2), indexed(2), literal("plain", "A", "b")));
    assert.equal(decoder.fault, "list-too-large");
  });
});

describe("A list that is too large", () => {
  test("by bytes, name and value and 32 for each field: the fields within the limit are kept", () => {
    const fields = [literal("plain", "aa", "bbb"), literal("plain", "aa", "bbb"), literal("plain", "a", "")];
    const decoder = newDecoder({ maxListBytes: 74 });
    assert.deepEqual(decoder.decode(all(...fields.slice(0, 2))), ["aa", "bbb", "aa", "bbb"]);
    assert.equal(decoder.fault, undefined);
    assert.equal(decoder.listBytes, 74);
    const smaller = newDecoder({ maxListBytes: 73 });
    assert.deepEqual(smaller.decode(all(...fields)), ["aa", "bbb"]);
    assert.equal(smaller.fault, "list-too-large");
    assert.equal(smaller.listBytes, 74 + 33);
  });

  test("by fields", () => {
    const decoder = newDecoder({ maxFields: 3 });
    assert.equal(decoder.decode(all(indexed(2), indexed(2), indexed(2))).length, 6);
    assert.equal(decoder.fault, undefined);
    assert.equal(decoder.decode(all(indexed(2), indexed(2), indexed(2), indexed(2))).length, 6);
    assert.equal(decoder.fault, "list-too-large");
  });

  test("its block is decoded to the end, so that the next block finds what it added", () => {
    const decoder = newDecoder({ maxFields: 1 });
    decoder.decode(all(indexed(2), literal("added", "x-late", "value"), literal("added", "x-later", "Value", true)));
    assert.equal(decoder.fault, "list-too-large");
    assert.deepEqual(decoder.decode(indexed(63)), ["x-late", "value"]);
    assert.deepEqual(decoder.decode(indexed(62)), ["x-later", "Value"]);
    assert.equal(decoder.fault, undefined);
  });

  test("a value of the table that is named ten thousand times is not kept beyond the limit", () => {
    const decoder = newDecoder({ maxListBytes: 65_536 });
    decoder.decode(literal("added", "bomb", "x".repeat(4000)));
    const fields = decoder.decode(Buffer.alloc(10_000, 0xbe));
    assert.equal(fields.length, 2 * Math.floor(65_536 / 4036));
    assert.equal(decoder.fault, "list-too-large");
    assert.equal(decoder.listBytes, 10_000 * 4036);
  });
});

// The strict JSON reader and the writer beside it: what JSON.parse reads, without what JSON.parse lets pass.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type JsonValue, parseJson, writeJson } from "../../src/spiffe/json.ts";
import { cpuMs } from "../support/cpu.ts";

const MAX = 1_000_000;

/** As JSON.parse would have it. */
function plain(value: JsonValue): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  if (Array.isArray(value)) return value.map(plain);
  return value;
}

test("whatever JSON.stringify writes is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat({ max: 4 }), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      // -0 is written as 0, and bigint has no -0.
      assert.deepEqual(plain(parseJson(text, MAX)), JSON.parse(text));
    }),
  );
});

test("what the writer writes is read back, integers of any size included", () => {
  const document = {
    a: [1n, 2n ** 70n, -5n, 1.5, 'é\n"\\', null, true, [], {}],
    left: undefined,
    m: new Map([["__proto__", 1n]]),
  };
  const text = writeJson(document);
  const read = parseJson(text, MAX);
  assert.ok(read instanceof Map);
  assert.deepEqual(read.get("a"), [1n, 2n ** 70n, -5n, 1.5, 'é\n"\\', null, true, [], new Map()]);
  assert.equal(read.has("left"), false);
  assert.deepEqual(read.get("m"), new Map([["__proto__", 1n]]));
  assert.deepEqual(JSON.parse(text).a.slice(3), [1.5, 'é\n"\\', null, true, [], {}]);
});

test("what JSON.parse refuses is refused, and never with anything but a SyntaxError", () => {
  const cut = fc.tuple(fc.json(), fc.nat(), fc.string({ unit: "binary", maxLength: 2 })).map(([text, at, inserted]) => {
    const index = at % (text.length + 1);
    return text.slice(0, index) + inserted + text.slice(index + 1);
  });
  fc.assert(
    fc.property(cut, (text) => {
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        assert.throws(() => parseJson(text, MAX), SyntaxError, text);
        return;
      }
      try {
        assert.deepEqual(plain(parseJson(text, MAX)), expected);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        assert.match(error.message, /twice|digits|levels/);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("a name that stands twice in one object is refused, also when written with escapes", () => {
  assert.throws(() => parseJson('{"a": 1, "a": 2}', MAX), /twice/);
  assert.throws(() => parseJson('{"a": 1, "\\u0061": 2}', MAX), /twice/);
  assert.throws(() => parseJson('[{"b": {"a": 1, "a": 1}}]', MAX), /twice/);
  assert.ok(parseJson('[{"a": 1}, {"a": 2}]', MAX));
});

test("size, depth and digits are bounded", () => {
  assert.throws(() => parseJson("[1]", 2), SyntaxError);
  assert.throws(() => parseJson("[".repeat(1_000), MAX), /levels/);
  assert.throws(() => parseJson("1".repeat(41), MAX), /digits/);
  assert.equal(parseJson("1".repeat(40), MAX), BigInt("1".repeat(40)));
});

test("a hostile text is refused at once", () => {
  const quotes = '\\"'.repeat(200_000);
  for (const text of [
    `"${"a".repeat(900_000)}`,
    `"${quotes}`,
    `{"a": "${"\\\\".repeat(400_000)}`,
    `${"1".repeat(900_000)}`,
  ]) {
    const start = cpuMs();
    assert.throws(() => parseJson(text, MAX), SyntaxError);
    assert.ok(cpuMs() - start < 500);
  }
  assert.equal(parseJson(`"${quotes}"`, MAX), '"'.repeat(200_000));
});

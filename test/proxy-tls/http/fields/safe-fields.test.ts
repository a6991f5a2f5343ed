import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertSafeFields, checkField, type SafeFields } from "../../../../src/proxy-tls/http/fields/safe-fields.ts";
import { badRequest } from "../../../../src/proxy-tls/http/refusal.ts";
import { FIELD_NAME, FIELD_VALUE } from "../../../http2/support/field-grammar.ts";
import { refusalOf } from "../../support/refusal.ts";

const refusal = badRequest("unsafe");

function branded(fields: readonly string[]): SafeFields {
  assertSafeFields(fields, refusal);
  return fields;
}

test("every character up to U+0200, and those that look like ASCII, may stand in a name or a value as RFC 9110 says", () => {
  const codes = [
    ...Array.from({ length: 0x200 }, (_, code) => code),
    0x2028,
    0xd800,
    0xff21,
    0x10d,
    0x10a,
    0x4e0d,
    0xffff,
  ];
  for (const code of codes) {
    const text = `a${String.fromCharCode(code)}b`;
    assert.equal(checkField(text, ""), FIELD_NAME.test(text), `name U+${code.toString(16)}`);
    assert.equal(checkField("x", text), FIELD_VALUE.test(text), `value U+${code.toString(16)}`);
  }
});

test("a field has a name, and no white space around its value", () => {
  assert.equal(checkField("", "a"), false);
  assert.equal(checkField("x", ""), true);
  for (const value of [" ", "\t", " a", "a ", "\ta", "a\t"]) assert.equal(checkField("x", value), false);
  assert.equal(checkField("x", "a \t b"), true);
});

test("a list is refused for one bad field anywhere, or half a field", () => {
  assert.deepEqual(branded(["a", "1", "b", ""]), ["a", "1", "b", ""]);
  for (const bad of [["A", "1"], ["a", "\n"], ["a", "\u010a"], [":a", "1"], ["a"]]) {
    assert.deepEqual(
      refusalOf(() => branded(["x", "1", ...bad])),
      [400, "unsafe"],
    );
  }
});

test("what is let through is the same after latin1, and lies on one line", () => {
  const text = fc.string({
    unit: fc.integer({ min: 0, max: 0x17f }).map((code) => String.fromCharCode(code)),
    maxLength: 6,
  });
  fc.assert(
    fc.property(text, text, (name, value) => {
      if (!checkField(name, value)) return;
      const line = `${name}: ${value}`;
      assert.equal(Buffer.from(line, "latin1").toString("latin1"), line);
      assert.doesNotMatch(line, /[\r\n]/);
    }),
  );
});

// What a traceparent is (W3C Trace Context, section 3.2): one that nobody can read is not passed on as if it were one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isTraceparent, startTrace, traceIdOf } from "../../../../src/proxy-tls/http/fields/traceparent.ts";
import { systemRandom } from "../../../../src/runtime/index.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";

test("a valid one is taken: of this version, and of a later one with what it may add", () => {
  for (const text of [
    `00-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-00`,
    `cc-${TRACE}-${PARENT}-01`,
    `cc-${TRACE}-${PARENT}-01-`,
    `01-${TRACE}-${PARENT}-01-what.the-future/Brings`,
    `00-${"0".repeat(31)}1-${"0".repeat(15)}1-01`,
    `00-1${"0".repeat(31)}-1${"0".repeat(15)}-01`,
  ]) {
    assert.ok(isTraceparent(text), text);
  }
});

const INVALID: readonly (readonly [what: string, text: string])[] = [
  ["nothing", ""],
  ["cut off", `00-${TRACE}-${PARENT}-0`],
  ["of the version that never is", `ff-${TRACE}-${PARENT}-01`],
  ["of this version, and longer than it", `00-${TRACE}-${PARENT}-01-x`],
  ["of this version, and longer by a dash", `00-${TRACE}-${PARENT}-01-`],
  ["of a later version that adds without a dash", `cc-${TRACE}-${PARENT}-01x`],
  ["upper case", `00-${TRACE.toUpperCase()}-${PARENT}-01`],
  ["no trace", `00-${"0".repeat(32)}-${PARENT}-01`],
  ["no parent", `00-${TRACE}-${"0".repeat(16)}-01`],
  ["other dashes", `00_${TRACE}_${PARENT}_01`],
  ["a dash in the place of a digit", `00-${TRACE.slice(1)}--${PARENT}-01`],
  ["a digit in the place of a dash", `00-${TRACE}0${PARENT}-01`],
  ["a letter behind f", `00-${TRACE.replace("f", "g")}-${PARENT}-01`],
  ["a character before 0", `00-${TRACE.replace("4", "/")}-${PARENT}-01`],
  ["a character behind 9", `00-${TRACE.replace("9", ":")}-${PARENT}-01`],
  ["a character before a", `00-${TRACE.replace("b", "`")}-${PARENT}-01`],
  ["a version of letters", `zz-${TRACE}-${PARENT}-01`],
  ["flags of letters", `00-${TRACE}-${PARENT}-0x`],
];

for (const [what, text] of INVALID) {
  test(`one is not taken that is ${what}`, () => assert.equal(isTraceparent(text), false));
}

test("one that we start is valid, sampled, and another one each time", () => {
  const [one, other] = [startTrace(systemRandom), startTrace(systemRandom)];
  assert.ok(isTraceparent(one));
  assert.match(one, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  assert.equal(traceIdOf(one), one.split("-")[1]);
  assert.notEqual(one, other);
});

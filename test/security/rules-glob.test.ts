// Globs are matched without backtracking: no pattern and no value makes matching slow, and none makes it wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matchesPattern, parsePattern } from "../../src/identity-api/registry/glob.ts";

function matches(pattern: string, value: string): boolean {
  const refuse = (sentence: string): never => {
    throw new Error(sentence);
  };
  return matchesPattern(parsePattern(pattern, refuse), value);
}

/** The definition, as a regular expression: fine for short texts. */
function reference(pattern: string, value: string): boolean {
  const source = pattern
    .split("*")
    .map((text) => text.replace(/[.+^$()|]/g, "\\$&"))
    .join("[^/]*");
  return new RegExp(`^${source}$`, "s").test(value);
}

// Few letters and short texts, so that pieces overlap and nearly fit all the time.
const piece = fc.oneof(fc.stringMatching(/^[ab]{0,2}$/), fc.stringMatching(/^[ab/.-]{0,3}$/));
const pattern = fc
  .array(piece, { minLength: 1, maxLength: 6 })
  .map((pieces) => pieces.join("*"))
  .filter((text) => text !== "" && !text.includes("**"));
const value = fc.oneof(fc.stringMatching(/^[ab]{0,5}$/), fc.stringMatching(/^[ab/.-]{0,14}$/));

test("a glob means what its definition says", () => {
  fc.assert(
    fc.property(pattern, value, (text, candidate) => {
      assert.equal(matches(text, candidate), reference(text, candidate), `${text} against ${candidate}`);
    }),
    { numRuns: 20_000 },
  );
});

test("a glob matches what it was filled to", () => {
  const filling = fc.array(fc.stringMatching(/^[ab.-]{0,3}$/), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(pattern, filling, (text, parts) => {
      let at = 0;
      const candidate = text.replaceAll("*", () => parts[at++] ?? "");
      assert(matches(text, candidate));
    }),
  );
});

test("a star never crosses a slash", () => {
  assert(!matches("shop/*", "shop/cart/admin"));
  assert(!matches("*", "shop/cart"));
  assert(!matches("a*b", "a/b"));
  assert(matches("*/cart", "shop/cart"));
});

test("what stands before and after a star, and between two, never overlaps", () => {
  assert(!matches("a*a", "a"));
  assert(matches("a*a", "aa"));
  assert(!matches("*ab*b", "ab"));
  assert(matches("*ab*b", "abb"));
  assert(!matches("*a*a*", "ba"));
  assert(!matches("*ab*ba*", "aba"));
});

test("what a regular expression would read as a wildcard is plain text", () => {
  assert(!matches("a.c*", "abc"));
  assert(matches("a.c*", "a.c"));
  assert(!matches("(a+)+*", "aaa"));
  assert(!matches("a|b*", "b"));
});

test("patterns that make backtracking matchers explode take no time", () => {
  const started = process.cpuUsage();
  const evil = `${"*a".repeat(255)}b`;
  for (let round = 0; round < 200; round++) assert(!matches(evil, "a".repeat(1024)));
  for (let round = 0; round < 200; round++) assert(!matches(`*${"a".repeat(400)}b*`, "a".repeat(1024)));
  const { user } = process.cpuUsage(started);
  // 400 of the worst matches: a backtracking matcher would not end in our lifetime.
  assert(user < 2_000_000, `took ${user} us`);
});

test("a value beyond the bound never matches a glob", () => {
  assert(!matches("*", "a".repeat(1025)));
  assert(matches("*", "a".repeat(1024)));
});

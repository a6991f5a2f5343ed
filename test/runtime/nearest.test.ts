import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestHint } from "../../src/runtime/index.ts";

const known = ["ttlSeconds", "spiffeId", "match"];

test("a mistyped name is answered with the known one that is nearest, with its path", () => {
  assert.equal(nearestHint("ttlSecond", known), ' Did you mean "ttlSeconds"?');
  assert.equal(nearestHint("spifeid", known, "rules[0]"), ' Did you mean "rules[0].spiffeId"?');
});

test("a name that resembles none is answered with what is known, unless that is nothing or a flood", () => {
  assert.equal(nearestHint("zzzzzzzz", known), " Known here: ttlSeconds, spiffeId, match.");
  assert.equal(nearestHint("zzzzzzzz", []), "");
  const many = Array.from({ length: 100 }, (_, index) => `key${index}`);
  assert.equal(nearestHint("zzzzzzzz", many), "");
});

test("an absurdly long name is compared with nothing", () => {
  assert.doesNotMatch(nearestHint(`match${"h".repeat(300)}`, known), /Did you mean/);
  assert.doesNotMatch(nearestHint("m".repeat(10_000_000), known), /Did you mean/);
});

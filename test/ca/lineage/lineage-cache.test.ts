// The cache of lineages: bounded, and what was used last stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CachedLineage, LineageCache } from "../../../src/ca/lineage/lineage-cache.ts";

function cached(id: string): CachedLineage {
  const lineage = { id, spiffeId: "", rule: "", attestor: "", attributes: new Map<string, string>(), openedAt: 0 };
  return { lineage, spkiSha256: id };
}

test("the half that was used last is always there, and more than its bound never", () => {
  const cache = new LineageCache(8);
  for (let n = 0; n < 100; n++) {
    cache.set(`serial ${n}`, cached(`${n}`));
    for (let back = 0; back < 4 && back <= n; back++) {
      assert.equal(cache.get(`serial ${n - back}`)?.spkiSha256, `${n - back}`, `${back} before ${n}`);
    }
  }
  const held = Array.from({ length: 100 }, (_, n) => cache.get(`serial ${n}`)).filter((each) => each !== undefined);
  assert.ok(held.length <= 8, `${held.length} are held`);
});

test("who is asked for again and again outlives those that nobody asks for", () => {
  const cache = new LineageCache(8);
  cache.set("busy", cached("busy"));
  for (let n = 0; n < 50; n++) {
    cache.set(`idle ${n}`, cached("idle"));
    if (n % 3 === 0) assert.notEqual(cache.get("busy"), undefined, `gone after ${n}`);
  }
  assert.equal(cache.get("idle 0"), undefined);
});

test("a serial that is set again is found as it was set last", () => {
  const cache = new LineageCache(4);
  cache.set("one", cached("first"));
  for (let n = 0; n < 2; n++) cache.set(`other ${n}`, cached("other"));
  cache.set("one", cached("second"));
  assert.equal(cache.get("one")?.spkiSha256, "second");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { fullQuota, takeQuota } from "../../../src/ca/lineage/quota.ts";

const settings = { burst: 2, perHour: 60 };

test("the burst is granted at once, then the refill decides", () => {
  let state = fullQuota(settings, 0);
  for (let i = 0; i < settings.burst; i++) {
    const decision = takeQuota(settings, state, 0);
    assert.equal(decision.kind, "granted");
    if (decision.kind === "granted") state = decision.state;
  }
  assert.deepEqual(takeQuota(settings, state, 0), { kind: "exceeded", retryAfterMs: 60_000 });
  assert.deepEqual(takeQuota(settings, state, 59_999), { kind: "exceeded", retryAfterMs: 1 });
  assert.equal(takeQuota(settings, state, 60_000).kind, "granted");
});

test("a clock that goes back neither fills the bucket nor empties it", () => {
  const state = { left: 0.5, at: 1_000_000 };
  assert.equal(takeQuota(settings, state, 0).kind, "exceeded");
  assert.equal(takeQuota(settings, state, 1_030_000).kind, "granted");
});

test("the bucket never holds more than the burst", () => {
  const decision = takeQuota(settings, { left: 2, at: 0 }, 1e12);
  assert.deepEqual(decision, { kind: "granted", state: { left: 1, at: 1e12 } });
});

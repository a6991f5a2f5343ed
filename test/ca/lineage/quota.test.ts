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
  assert.equal(takeQuota(settings, state, 940_000).kind, "exceeded");
  assert.equal(takeQuota(settings, state, 1_030_000).kind, "granted");
});

test("the bucket never holds more than the burst", () => {
  const decision = takeQuota(settings, { left: 2, at: 0 }, 1e12);
  assert.deepEqual(decision, { kind: "granted", state: { left: 1, at: 1e12 } });
});

const YEARS = 10 * 365 * 86_400_000;

test("a bucket stamped by a clock that was years ahead gives one certificate, then fills as ever", () => {
  const now = 1_800_000_000_000;
  const first = takeQuota(settings, { left: 0, at: now + YEARS }, now);
  assert.deepEqual(first, { kind: "granted", state: { left: 0, at: now } });
  if (first.kind !== "granted") return;
  assert.deepEqual(takeQuota(settings, first.state, now), { kind: "exceeded", retryAfterMs: 60_000 });
  assert.equal(takeQuota(settings, first.state, now + 60_000).kind, "granted");
});

test("the years by which a clock was ahead fill no bucket when it comes back", () => {
  const now = 1_800_000_000_000;
  const decision = takeQuota(settings, { left: 1.5, at: now + YEARS }, now);
  assert.deepEqual(decision, { kind: "granted", state: { left: 0.5, at: now } });
});

test("a replica whose clock is a little behind the one that wrote last gives nothing away, and says how long to wait", () => {
  const state = { left: 0, at: 1_000_000 };
  assert.deepEqual(takeQuota(settings, state, 980_000), { kind: "exceeded", retryAfterMs: 80_000 });
  assert.deepEqual(takeQuota(settings, { left: 1, at: 1_000_000 }, 980_000), {
    kind: "granted",
    state: { left: 0, at: 1_000_000 },
  });
});

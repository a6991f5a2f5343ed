import assert from "node:assert/strict";
import { test } from "node:test";
import { RetryBudget } from "../../../../src/proxy-tls/http/forward/retry-budget.ts";

function budget(percent: number, minimumPerSecond: number) {
  let now = 50_000;
  const made = new RetryBudget({ percent, minimumPerSecond, now: () => now });
  const takeAll = (): number => {
    let taken = 0;
    while (taken < 10_000 && made.take()) taken += 1;
    return taken;
  };
  return { budget: made, takeAll, pass: (ms: number) => (now += ms) };
}

test("a share of the requests of the last ten seconds may be sent again, beside what is always allowed", () => {
  const { budget: made, takeAll } = budget(20, 1);
  for (let i = 0; i < 100; i += 1) made.request();
  assert.equal(takeAll(), 10 + 20);
});

test("what was spent comes back after ten seconds, and requests of before no longer count", () => {
  const { budget: made, takeAll, pass } = budget(10, 0);
  for (let i = 0; i < 100; i += 1) made.request();
  assert.equal(takeAll(), 10);
  pass(9_000);
  assert.equal(takeAll(), 0);
  for (let i = 0; i < 100; i += 1) made.request();
  pass(1_000);
  assert.equal(takeAll(), 10);
  pass(3_600_000);
  assert.equal(takeAll(), 0);
});

test("a budget of nothing allows nothing", () => {
  assert.equal(budget(0, 0).takeAll(), 0);
});

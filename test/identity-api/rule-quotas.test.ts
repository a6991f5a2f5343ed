// The bucket of each rule: how many at once, how fast it fills, and that rules do not drain each other's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RuleQuotas } from "../../src/identity-api/rule-quotas.ts";

class StandingClock {
  time = 1_800_000_000_000;
  now(): number {
    return this.time;
  }
}

function quotas(burst: number, perHour: number) {
  const clock = new StandingClock();
  return { clock, quotas: new RuleQuotas({ burst, perHour }, clock) };
}

/** How many are granted until the bucket is empty. */
function drain(bucket: RuleQuotas, rule: string): number {
  for (let taken = 0; taken < 1_000; taken++) {
    try {
      bucket.take(rule);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "MCA_RULE_QUOTA_EXCEEDED");
      return taken;
    }
  }
  throw new Error("the bucket has no bottom");
}

test("a rule may earn its burst at once, and not one more", () => {
  assert.equal(drain(quotas(3, 60).quotas, "a"), 3);
});

test("the bucket fills at its rate: one in a minute at 60 an hour, none a moment before", () => {
  const { clock, quotas: bucket } = quotas(3, 60);
  drain(bucket, "a");
  clock.time += 59_999;
  assert.equal(drain(bucket, "a"), 0);
  clock.time += 1;
  assert.equal(drain(bucket, "a"), 1);
});

test("asking in vain does not slow the filling down", () => {
  const { clock, quotas: bucket } = quotas(1, 60);
  drain(bucket, "a");
  for (let second = 0; second < 59; second++) {
    clock.time += 1_000;
    assert.equal(drain(bucket, "a"), 0);
  }
  clock.time += 1_001;
  assert.equal(drain(bucket, "a"), 1);
});

test("it never holds more than its burst, however long nobody asks", () => {
  const { clock, quotas: bucket } = quotas(3, 3_600);
  drain(bucket, "a");
  clock.time += 86_400_000;
  assert.equal(drain(bucket, "a"), 3);
});

test("one rule's callers do not use up another rule's bucket", () => {
  const { quotas: bucket } = quotas(2, 60);
  drain(bucket, "a");
  assert.equal(drain(bucket, "b"), 2);
});

test("a clock that is set back neither fills nor locks the bucket", () => {
  const { clock, quotas: bucket } = quotas(2, 60);
  drain(bucket, "a");
  clock.time -= 3_600_000;
  assert.equal(drain(bucket, "a"), 0);
  clock.time += 60_000;
  assert.equal(drain(bucket, "a"), 1);
});

test("the error names the rule and what to raise", () => {
  const { quotas: bucket } = quotas(1, 60);
  bucket.take("pods");
  assert.throws(() => bucket.take("pods"), /"pods".*quotas\.rule/);
});

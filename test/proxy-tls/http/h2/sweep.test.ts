// How often a connection is looked at, and what a look throws.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Deadline, DeadlineWheel } from "../../../../src/proxy-tls/http/deadlines.ts";
import { Sweep, type SweepOwner } from "../../../../src/proxy-tls/http/h2/sweep.ts";
import { until } from "../../../support/until.ts";

class CountingWheel extends DeadlineWheel {
  /** How often a deadline was given a place. */
  queued = 0;

  constructor() {
    super({ tickMs: 5, onFault: (error) => assert.fail(String(error)) });
  }

  override queue(deadline: Deadline, tick: number): void {
    this.queued += 1;
    super.queue(deadline, tick);
  }
}

class Looks implements SweepOwner {
  readonly elapsed: number[] = [];
  readonly faults: unknown[] = [];
  act: () => void = () => {};

  onSweep(elapsedMs: number): void {
    this.elapsed.push(elapsedMs);
    this.act();
  }

  fault(error: unknown): void {
    this.faults.push(error);
  }
}

test("what a look throws is its connection's fault, and the next look comes, until it is stopped", async () => {
  const wheel = new CountingWheel();
  const owner = new Looks();
  owner.act = () => {
    throw new TypeError("ours");
  };
  const sweep = new Sweep(wheel, [0, 40], owner);
  await until(() => owner.elapsed.length === 3, "three looks");
  owner.act = () => sweep.stop();
  await until(() => owner.elapsed.length === 4, "another");
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(owner.faults.map(String), ["TypeError: ours", "TypeError: ours", "TypeError: ours"]);
  assert.deepEqual([owner.elapsed.length, wheel.queued], [4, 4], "none behind the stop");
  wheel.close();
});

test("a look comes four times within the shortest deadline, and is told how long ago the last one was", async () => {
  const wheel = new CountingWheel();
  const owner = new Looks();
  const startedAt = performance.now();
  const sweep = new Sweep(wheel, [80, 0, 60_000], owner);
  await until(() => owner.elapsed.length === 5, "five looks");
  const took = sweep.now - startedAt;
  sweep.stop();
  assert.ok(took >= 100, `${took} ms for five looks, each 20 ms behind the last`);
  const sum = owner.elapsed.slice(0, 5).reduce((all, one) => all + one, 0);
  assert.ok(Math.abs(sum - took) < 5, `${sum} ms were told of ${took}`);
  wheel.close();
});

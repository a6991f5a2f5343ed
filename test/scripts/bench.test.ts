// The arithmetic of the bench, on numbers whose answer is known.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { quantileBetween, readHistogram } from "../bench/histogram.ts";
import { Pacer } from "../bench/paced.ts";
import { cpuSecondsOf, residentMegabytes } from "../bench/process-stats.ts";
import { figure, median, missed } from "../bench/report.ts";

const text = (counts: readonly number[]): string =>
  ["0.001", "0.002", "0.004", "+Inf"]
    .map((bound, index) => `x_seconds_bucket{kind="a",le="${bound}"} ${counts[index]}`)
    .join("\n");

describe("The bench", () => {
  test("takes a quantile of what came in between two readings only", () => {
    const before = readHistogram(text([100, 100, 100, 100]), "x_seconds");
    const after = readHistogram(text([100, 150, 200, 200]), "x_seconds");
    assert.equal(quantileBetween(before, after, 0.5), 0.002);
    assert.equal(quantileBetween(before, after, 0.75), 0.003);
  });

  test("says so when a histogram is missing or nothing was recorded", () => {
    assert.throws(() => readHistogram(text([1, 1, 1, 1]), "y_seconds"), /no histogram y_seconds/);
    const same = readHistogram(text([1, 1, 1, 1]), "x_seconds");
    assert.throws(() => quantileBetween(same, same, 0.5), /nothing was recorded/);
  });

  test("misses a budget above it, and at a value that is no number", () => {
    const figures = [figure("svid.node_cpu_floor_ratio", 3.41, "floor"), figure("memory.idle_mb", 119, "MB")];
    assert.deepEqual(
      missed(figures).map(({ name }) => name),
      ["svid.node_cpu_floor_ratio"],
    );
    assert.equal(missed([figure("memory.idle_mb", Number.NaN, "MB")]).length, 1);
    assert.equal(missed([figure("svid.node_cpu_us", 1e9, "us")]).length, 0);
  });

  test("counts the latency of a paced call from the moment that it was due, however long it had to wait, and keeps failures apart", async () => {
    let calls = 0;
    const pacer = new Pacer(["the only workload"], 100, async () => {
      await sleep(40);
      if (++calls === 2) throw new Error("the second fails");
    });
    await sleep(200);
    const { dueMs, latencyMs, failures } = await pacer.stop();
    assert.deepEqual(
      failures.map(({ sentence }) => sentence),
      ["the second fails"],
    );
    // Due every 10 ms and done every 40: each waits longer than the one before it.
    assert.ok(dueMs.length >= 5, `${dueMs.length}`);
    assert.deepEqual(
      latencyMs.toSorted((a, b) => a - b),
      latencyMs,
    );
    assert.ok((latencyMs.at(-1) ?? 0) > 150, `${latencyMs}`);
  });

  test("counts CPU time and memory of a process", () => {
    const before = cpuSecondsOf(process.pid);
    const end = performance.now() + 100;
    while (performance.now() < end);
    const spent = cpuSecondsOf(process.pid) - before;
    assert.ok(spent >= 0.03 && spent <= 1, `${spent} s`);
    assert.ok(residentMegabytes(process.pid) > 10);
  });

  test("takes the median of odd and even counts", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
  });
});

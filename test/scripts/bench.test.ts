// The arithmetic of the bench, on numbers whose answer is known.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { quantileBetween, readHistogram } from "../bench/histogram.ts";
import { Pacer } from "../bench/paced.ts";
import { cpuSecondsOf, residentMegabytes } from "../bench/process-stats.ts";
import { openCaller } from "../bench/proxy/calls.ts";
import { measurePaired } from "../bench/proxy/rounds.ts";
import type { Subject } from "../bench/proxy/subject.ts";
import { ANSWER, bulkChunks } from "../bench/proxy/traffic.ts";
import { figure, median, missed, promise } from "../bench/report.ts";

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

  test("misses a budget that is a floor below it, and says which way a budget goes", () => {
    const low = figure("proxy.bulk_ratio", 0.94, "of plain Node");
    const high = figure("proxy.bulk_ratio", 1.4, "of plain Node");
    assert.deepEqual(missed([low, high]), [low]);
    assert.equal(missed([figure("proxy.bulk_ratio", Number.NaN, "of plain Node")]).length, 1);
    assert.equal(promise(low), "at least 0.95");
    assert.equal(promise(figure("proxy.l4_ratio", 2, "of plain Node")), "at most 1.15");
    assert.equal(promise(figure("proxy.l4_us", 2, "us")), "");
  });

  test("pairs rounds: whoever goes first changes, and the figure is the median of the rounds' ratios", async () => {
    const order: string[] = [];
    const spent = { slow: 0, fast: 0 };
    const subject = (name: "slow" | "fast", usPerUnit: (round: number) => number): Subject & { work(): void } => {
      let round = 0;
      return {
        name,
        port: () => 1,
        cpuSeconds: () => spent[name],
        residentMegabytes: () => 0,
        stop: async () => {},
        work: () => {
          order.push(name);
          spent[name] += (usPerUnit(round++) * 100) / 1e6;
        },
      };
    };
    // The first is not measured; in the second one the machine is twice as slow for both.
    const reference = subject("slow", (round) => [900, 20, 40, 20][round] ?? 0);
    const ours = subject("fast", (round) => [1, 10, 20, 12][round] ?? 0);
    const works = new Map<Subject, () => void>([reference, ours].map((one) => [one, () => one.work()]));
    const run = { reference, ours, role: "l4", rounds: 3, perRound: 100, warmUp: 100 } as const;
    const paired = await measurePaired({ ...run, work: async (one) => works.get(one)?.() });
    assert.deepEqual(order, ["slow", "fast", "slow", "fast", "fast", "slow", "slow", "fast"]);
    assert.ok(paired !== undefined);
    assert.ok(Math.abs(paired.ratio - 0.5) < 1e-9, `${paired.ratio}`);
    assert.ok(Math.abs(paired.referenceUs - 20) < 1e-6, `${paired.referenceUs}`);
    assert.ok(Math.abs(paired.oursUs - 12) < 1e-6, `${paired.oursUs}`);
    assert.equal(
      await measurePaired({ ...run, ours: { ...ours, port: () => undefined }, work: async () => {} }),
      undefined,
    );
  });

  test("sends bodies of any length whose pieces are all different", () => {
    const pieces = [...bulkChunks(3 * 64 * 1024 + 5)];
    assert.equal(
      pieces.reduce((sum, { length }) => sum + length, 0),
      3 * 64 * 1024 + 5,
    );
    assert.equal(new Set(pieces.map(String)).size, 4);
    assert.deepEqual([...bulkChunks(0)], []);
  });

  test("fails a call whose answer is refused, grown or cut off, and counts no byte that nobody asked for", async () => {
    const answers = [ANSWER, ANSWER, Buffer.from("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")];
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () => socket.write(answers.shift() ?? Buffer.concat([ANSWER, ANSWER])));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      const first = await openCaller("tcp", address.port, {});
      await first.call();
      await first.call();
      await assert.rejects(first.call(), /answered "HTTP\/1.1 503/);
      assert.equal(first.broken, true);
      const second = await openCaller("tcp", address.port, {});
      await assert.rejects(second.call(), /longer than the first/);
      assert.equal(second.broken, true);
    } finally {
      server.close();
    }
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

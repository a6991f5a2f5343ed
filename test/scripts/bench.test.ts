// The arithmetic of the bench, on numbers whose answer is known.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { quantileBetween, readHistogram } from "../bench/histogram.ts";
import { Pacer } from "../bench/paced.ts";
import { cpuSecondsOf, exactCpuSeconds, residentMegabytes, residentMegabytesOfTree } from "../bench/process-stats.ts";
import { openCaller } from "../bench/proxy/calls.ts";
import { measureRounds } from "../bench/proxy/rounds.ts";
import type { Subject } from "../bench/proxy/subject.ts";
import { ANSWER, bulkChunks } from "../bench/proxy/traffic.ts";
import { figure, median, missed, promise } from "../bench/report.ts";
import { processCpuMs } from "../support/cpu.ts";

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

  describe("in rounds", () => {
    const order: string[] = [];
    /** Spends `usPerUnit(n)` microseconds for each unit of its n-th piece of work, or fails in it. */
    const subjectOf = (name: string, us: readonly (number | "fails")[], more: Partial<Subject> = {}) => {
      let pieces = 0;
      let spent = 0;
      const subject: Subject = {
        ...{ name, tag: "", foreign: false, port: () => 1, ...more },
        cpuSeconds: () => spent,
        residentMegabytes: () => 0,
        trimLogs: () => {},
        stop: async () => {},
      };
      const work = (count: number): void => {
        order.push(name);
        const next = us[pieces++] ?? 0;
        if (next === "fails") throw new Error("refused");
        spent += (next * count) / 1e6;
      };
      return [subject, work] as const;
    };
    const measure = async (...subjects: readonly (readonly [Subject, (count: number) => void])[]) => {
      order.length = 0;
      const works = new Map(subjects);
      const work = async (subject: Subject, _: number, count: number): Promise<void> => works.get(subject)?.(count);
      const run = { role: "l4", rounds: 3, perRound: 100, warmUp: 100 } as const;
      return await measureRounds({ ...run, subjects: subjects.map(([subject]) => subject), work });
    };

    test("turns the order round, and takes the median of the rounds' ratios", async () => {
      // The first is not measured; in the second one the machine is twice as slow for both.
      const reference = subjectOf("slow", [900, 20, 40, 20]);
      const ours = subjectOf("fast", [1, 10, 20, 12]);
      const measured = await measure(reference, ours);
      assert.deepEqual(order, ["slow", "fast", "slow", "fast", "fast", "slow", "slow", "fast"]);
      const [first, second] = [...measured.values()];
      assert.ok(first !== undefined && second !== undefined);
      const near = (value: number, expected: number): void =>
        assert.ok(Math.abs(value - expected) < 1e-6, `${value}, not ${expected}`);
      near(first.us, 20);
      near(second.us, 12);
      near(second.ratio, 0.5);
      near(second.quartiles[1], 0.55 + 0.05);
    });

    test("has somebody else's program in every third round only, beside the reference of that round", async () => {
      const reference = subjectOf("reference", [1, 10, 99, 99]);
      const foreign = subjectOf("foreign", [1, 20], { foreign: true });
      const measured = await measure(reference, foreign);
      assert.equal(measured.get(foreign[0])?.ratio.toFixed(6), "2.000000");
      assert.deepEqual(order, ["reference", "foreign", "reference", "foreign", "reference", "reference"]);
    });

    test("leaves out who has no such port, and somebody else's program that fails; one of ours that fails ends the bench", async () => {
      const reference = subjectOf("reference", [1, 2, 2, 2]);
      const absent = subjectOf("absent", [], { port: () => undefined });
      const foreign = subjectOf("foreign", ["fails"], { foreign: true });
      const measured = await measure(reference, absent, foreign);
      assert.deepEqual(
        [...measured.keys()].map(({ name }) => name),
        ["reference"],
      );
      await assert.rejects(measure(reference, subjectOf("ours", [1, "fails"])), /refused/);
    });
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
    const exactBefore = exactCpuSeconds(process.pid);
    const end = processCpuMs() + 100;
    while (processCpuMs() < end);
    const spent = cpuSecondsOf(process.pid) - before;
    assert.ok(spent >= 0.03 && spent <= 1, `${spent} s`);
    const exact = exactCpuSeconds(process.pid) - exactBefore;
    assert.ok(exact >= 0.03 && exact <= 1, `${exact} s`);
    const own = residentMegabytes(process.pid);
    assert.ok(own > 10);
    assert.ok(residentMegabytesOfTree(process.pid) > own * 0.8);
  });

  test("takes the median of odd and even counts", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
  });
});

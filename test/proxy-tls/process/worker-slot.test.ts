// A place for a worker and what can go wrong with who is in it: real processes, each with the fault that the test gives it.
import assert from "node:assert/strict";
import cluster, { type Worker } from "node:cluster";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { StateHolder } from "../../../src/proxy-tls/process/state-holder.ts";
import { WorkerSlot, type WorkerSlotOptions } from "../../../src/proxy-tls/process/worker-slot.ts";
import { temporaryDirectory } from "../../identity-client/helpers.ts";
import { TestLog } from "../../support/test-log.ts";
import { until } from "../../support/until.ts";
import { inboundTcp, proxyConfig, world } from "../support/proxy.ts";

/** Says what a worker says, as far as TEST_FAULT lets it. */
const PROGRAM = `
const fault = process.env.TEST_FAULT;
const say = (message) => process.send(message);
process.on("SIGTERM", () => {});
process.on("message", (message) => {
  if (message.kind === "pulse-question") say({ kind: "pulse-answer" });
  if (message.kind === "drain" && fault !== "stays") process.exit(0);
  if (message.kind === "drain") say({ kind: "state-taken", revision: 1 });
  if (message.kind === "state") say({ kind: "state-taken", revision: fault === "behind" ? 0 : message.revision });
  if (message.kind !== "start") return;
  if (fault === "dies-at-start") process.exit(3);
  if (fault === "cannot-listen") say({ kind: "failed", code: "MCA_X", sentence: "The port is taken." });
  if (fault === "never-listens" || fault === "cannot-listen") return;
  say({ kind: "listening", addresses: [["in", { host: "127.0.0.1", port: 7 }]] });
  say({ kind: "state-taken", revision: message.state.revision });
  if (fault === "dies") setTimeout(() => process.exit(4), 20);
  if (fault === "leaves") setTimeout(() => process.channel.unref() || process.disconnect(), 20);
});
setInterval(() => {}, 1_000);
if (fault !== "mute") say({ kind: "hello" });
`;
const program = join(temporaryDirectory(), "worker.cjs");
writeFileSync(program, PROGRAM);
const config = proxyConfig([inboundTcp(9)]);

/** @param faults of the first worker, the second ...; the last one is that of all others */
function given(t: TestContext, faults: readonly string[], changes: Partial<WorkerSlotOptions> = {}) {
  const log = new TestLog();
  const state = new StateHolder(log.logger);
  state.update({ trust: [world.trust()] });
  const workers: Worker[] = [];
  const ends: boolean[] = [];
  const slot = new WorkerSlot({
    fork() {
      cluster.setupPrimary({ exec: program, execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
      const fault = faults[Math.min(workers.length, faults.length - 1)];
      const worker = cluster.fork({ TEST_FAULT: fault });
      workers.push(worker);
      return worker;
    },
    config: () => config,
    ...{ state, logger: log.logger, followMs: 60_000, pulseMs: 60_000, pausesMs: [10, 40] },
    onMessage() {},
    onEnd: (_worker, unasked) => void ends.push(unasked),
    ...changes,
  });
  t.after(async () => {
    await slot.stop(0, 0);
    for (const worker of workers) worker.process.kill("SIGKILL");
  });
  return { slot, state, log, workers, ends };
}

const isDead = (worker: Worker | undefined): boolean => worker?.isDead() === true;

test("a worker that never listens is ended, and why is told", async (t) => {
  for (const fault of ["never-listens", "mute"]) {
    const { slot, workers, ends } = given(t, [fault], { startMs: 300 });
    await assert.rejects(slot.first(), { code: "MCA_PROXY_LISTEN_FAILED", message: "it did not listen in time" });
    assert.ok(isDead(workers[0]));
    assert.deepEqual([workers.length, ends, slot.worker], [1, [false], undefined], "and nobody takes its place");
  }
});

test("a worker that dies before it listens, or says that it cannot, ends the start", async (t) => {
  const dying = given(t, ["dies-at-start"]);
  await assert.rejects(dying.slot.first(), { code: "MCA_PROXY_WORKER_DOWN", message: /ended by exit code 3/ });
  const failing = given(t, ["cannot-listen"]);
  await assert.rejects(failing.slot.first(), { code: "MCA_PROXY_LISTEN_FAILED", message: "The port is taken." });
  await until(() => isDead(failing.workers[0]), "its process has ended");
});

test("pauses grow up to a bound, and one that follows a worker that was well is short again", async (t) => {
  const pauses = ({ log }: ReturnType<typeof given>): unknown[] => log.of("worker.ended").map(({ againMs }) => againMs);
  const ill = given(t, ["dies"]);
  await ill.slot.first();
  await until(() => pauses(ill).length >= 4, "it was tried again and again");
  assert.deepEqual(pauses(ill).slice(0, 4), [10, 20, 40, 40]);
  assert.match(String(ill.log.of("worker.ended")[0]?.["reason"]), /exit code 4/);
  const well = given(t, ["dies"], { wellMs: 0 });
  await well.slot.first();
  await until(() => pauses(well).length >= 3, "it was tried again");
  assert.deepEqual(pauses(well).slice(0, 3), [10, 10, 10]);
});

test("a place that is given up in the pause stays empty", async (t) => {
  let stopped: Promise<void> | undefined;
  const { slot, workers } = given(t, ["dies"], {
    // As soon as the pause has begun, however long this machine takes to notice.
    onEnd: () => queueMicrotask(() => (stopped = slot.stop(1_000, 0))),
  });
  await slot.first();
  await until(() => stopped !== undefined, "it has ended");
  await stopped;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual([workers.length, slot.worker], [1, undefined]);
});

test("a worker that does not end in time is ended, whatever it takes meanwhile, and nobody takes its place", async (t) => {
  const { slot, workers, ends, log } = given(t, ["stays"]);
  await slot.first();
  await slot.stop(50, 50);
  assert.ok(isDead(workers[0]));
  assert.deepEqual([workers.length, ends], [1, [false]]);
  assert.deepEqual(log.of("worker.ended"), [], "nobody calls it a failure");
});

test("a worker that is to end at once is not asked", async (t) => {
  const { slot, workers } = given(t, ["stays"]);
  await slot.first();
  await slot.stop(0, 0);
  assert.equal(workers[0]?.process.signalCode, "SIGKILL");
});

test("a worker that is behind does not serve, and is ended when it stays behind", async (t) => {
  const { slot, state, log, workers } = given(t, ["behind", "good"], { followMs: 150 });
  await slot.first();
  await until(() => slot.worker?.serving === true, "it serves");
  state.update({ trust: [] });
  slot.follow();
  assert.equal(slot.worker?.serving, false);
  await until(() => workers.length === 2 && slot.worker?.serving === true, "another one has taken its place");
  assert.match(String(log.of("worker.ended")[0]?.["reason"]), /did not take a change/);
});

test("a worker whose channel is gone is sent nothing more, and is ended as one that hangs", async (t) => {
  const { slot, state, workers } = given(t, ["leaves", "good"], { followMs: 150 });
  await slot.first();
  await until(() => workers[0]?.isConnected() === false, "its channel is gone");
  state.update({ trust: [] });
  slot.follow();
  await until(() => workers.length === 2 && slot.worker?.serving === true, "another one has taken its place");
  assert.ok(isDead(workers[0]));
});

test("what a worker has said before its end, and comes after it, is not taken for its successor's word", async (t) => {
  const { slot, workers } = given(t, ["dies", "good"]);
  await slot.first();
  await until(() => workers.length === 2 && slot.worker?.serving === true, "another one has taken its place");
  workers[0]?.emit("message", { kind: "failed", code: "MCA_X", sentence: "too late" });
  workers[0]?.emit("message", { kind: "state-taken", revision: 0 });
  assert.equal(workers[1]?.process.killed, false);
  assert.equal(slot.worker?.serving, true);
});

test("a process that cannot be started is tried again", async (t) => {
  const { slot, log } = given(t, ["dies"]);
  await slot.first();
  cluster.setupPrimary({ cwd: "/nowhere" });
  t.after(() => cluster.setupPrimary({ cwd: process.cwd() }));
  await until(() => log.of("worker.ended").length >= 3, "it was tried again");
  assert.match(String(log.of("worker.ended")[1]?.["reason"]), /cannot be started.*ENOENT/);
});

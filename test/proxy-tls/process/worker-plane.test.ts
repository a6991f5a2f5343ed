// Workers that hang, die and do not come up: ended, replaced with a growing pause, told. Real processes; this one is their primary.
import assert from "node:assert/strict";
import { readFileSync, readlinkSync } from "node:fs";
import { after, type TestContext, test } from "node:test";
import { readProjectFile } from "../../../scripts/lib/files.ts";
import type { AdminWorker } from "../../../src/proxy-tls/admin/view.ts";
import type { MetricsSnapshot } from "../../../src/proxy-tls/observe/snapshot.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { StateHolder } from "../../../src/proxy-tls/process/state-holder.ts";
import { WorkerPlane, type WorkerPlaneOptions } from "../../../src/proxy-tls/process/worker-plane.ts";
import { TestLog } from "../../support/test-log.ts";
import { until } from "../../support/until.ts";
import { ALLOW_ALL, inboundTcp, proxyConfig, world } from "../support/proxy.ts";
import { type Backend, connectClient, type End, startEcho } from "../support/sockets.ts";

const echo: Backend = await startEcho();
after(() => echo[Symbol.asyncDispose]());

const own = { id: "spiffe://example.test/proxy", tls: world.identity("/proxy") };
const caller = world.identity("/caller");
const SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
const { config }: { config: { proxyNodeFlags: string[] } } = JSON.parse(readProjectFile("package.json"));

/** Standard input of a process, and the flags of its Node. */
function inheritedBy(pid: number): { readonly input: string; readonly flags: readonly string[] } {
  const [, ...words] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  return { input: readlinkSync(`/proc/${pid}/fd/0`), flags: words.filter((word) => word.startsWith("--")) };
}

const nobody = parsePolicies({ policies: [] });

interface Given {
  readonly plane: WorkerPlane;
  readonly state: StateHolder;
  readonly log: TestLog;
}

async function given(t: TestContext, changes: Partial<WorkerPlaneOptions> = {}): Promise<Given> {
  const made = unopened(t, changes);
  await made.plane.listen();
  return made;
}

function unopened(t: TestContext, changes: Partial<WorkerPlaneOptions>): Given {
  const log = new TestLog();
  const state = new StateHolder(log.logger);
  state.update({ own, trust: [world.trust()], policies: parsePolicies({ policies: [ALLOW_ALL] }) });
  const config = proxyConfig([inboundTcp(echo.port)], { log: { access: false, level: "error" } });
  const plane = new WorkerPlane({ config, count: 2, state, logger: log.logger, downMs: 300, ...changes });
  t.after(() => plane.drain(0));
  return { plane, state, log };
}

function connect(plane: WorkerPlane): Promise<End> {
  return connectClient(plane.addresses().get("in")?.port ?? 0, caller);
}

/** What comes back on a connection of its own. */
async function echoed(plane: WorkerPlane): Promise<string> {
  const end = await connect(plane);
  end.socket.write("ping");
  const text = await end.receive(4);
  end.socket.destroy();
  return text;
}

/** Connections that were accepted, by all workers together. */
function accepted({ counters }: MetricsSnapshot): number {
  return counters.filter(({ metric }) => metric === "accepted").reduce((sum, { value }) => sum + value, 0);
}

/** Waits until every worker serves, with none of `gone` among them. */
async function whole(plane: WorkerPlane, gone: readonly AdminWorker[] = []): Promise<readonly AdminWorker[]> {
  await until(() => {
    const workers = plane.workers();
    const old = new Set(gone.map(({ pid }) => pid));
    return workers.length === 2 && workers.every(({ serving, pid }) => serving && !old.has(pid));
  }, "every worker serves");
  return plane.workers();
}

test("a worker that hangs is ended when it does not follow a change, and who comes after it knows the change", async (t) => {
  const { plane, state, log } = await given(t, { followMs: 2_500, pulseMs: 60_000 });
  const [hanging, other] = await whole(plane);
  assert.ok(hanging !== undefined && other !== undefined);
  process.kill(hanging.pid, "SIGSTOP");
  state.update({ policies: nobody });
  await until(() => plane.workers().some(({ pid, serving }) => pid === other.pid && serving), "the other one follows");
  assert.equal(plane.workers().find(({ pid }) => pid === hanging.pid)?.serving, false);
  await until(() => log.of("worker.ended").length === 1, "the one that hangs is ended");
  assert.match(String(log.of("worker.ended")[0]?.["reason"]), /did not take a change/);
  await whole(plane, [hanging]);
  const ends = await Promise.all(Array.from({ length: 12 }, () => connect(plane)));
  for (const end of ends) end.socket.write("ping");
  await Promise.all(ends.map((end) => end.whenEnded()));
  assert.deepEqual([...new Set(ends.map(({ text }) => text))], [""], "nobody carries anything by the old policies");
  assert.equal(plane.crashes, 1);
});

test("a worker that hangs is replaced although nothing changes, and the other one serves meanwhile", async (t) => {
  const { plane, log } = await given(t, { pulseMs: 2_500 });
  const [hanging, other] = await whole(plane);
  assert.ok(hanging !== undefined && other !== undefined);
  process.kill(hanging.pid, "SIGSTOP");
  // Those that the kernel gives to the other one are served at once; the rest wait.
  assert.equal(await Promise.any(Array.from({ length: 16 }, () => echoed(plane))), "ping");
  await until(() => log.of("worker.ended").length === 1, "the one that hangs is ended");
  assert.equal(log.of("worker.ended")[0]?.["worker"], hanging.pid);
  assert.match(String(log.of("worker.ended")[0]?.["reason"]), /did not answer/);
  const workers = await whole(plane, [hanging]);
  assert.ok(workers.some(({ pid }) => pid === other.pid));
  assert.deepEqual([...new Set(await Promise.all(Array.from({ length: 12 }, () => echoed(plane))))], ["ping"]);
  assert.equal(plane.crashes, 1);
});

test("a worker that does not come up makes not ready, is tried again with growing pauses, and comes up when it can", async (t) => {
  const { plane, state, log } = await given(t);
  const [first, second] = await whole(plane);
  assert.ok(first !== undefined && second !== undefined);
  // Without an identity no listener opens.
  state.update({ own: null });
  process.kill(first.pid, "SIGKILL");
  assert.deepEqual(plane.problems(), [], "the other one carries on");
  await until(() => plane.problems().length > 0, "the empty place is told");
  assert.equal(plane.problems()[0]?.code, "MCA_PROXY_WORKER_DOWN");
  await until(() => log.of("worker.ended").length === 3, "it was tried again");
  const pauses = log.of("worker.ended").map(({ againMs }) => againMs);
  assert.deepEqual(pauses, [100, 200, 400]);
  assert.match(plane.problems()[0]?.sentence ?? "", /identity|certificate/i, "with the worker's own reason");
  process.kill(second.pid, "SIGKILL");
  await until(() => /No worker serves/.test(plane.problems()[0]?.sentence ?? ""), "that nobody serves is told at once");
  state.update({ own });
  await whole(plane, [first, second]);
  assert.deepEqual(plane.problems(), []);
  const end = await connect(plane);
  end.socket.write("ping");
  assert.equal(await end.receive(4), "ping");
  end.socket.destroy();
});

test("workers take no orders by signals and no input; the numbers of one that was ended in order are kept, and none is left", async (t) => {
  const { plane } = await given(t);
  const workers = await whole(plane);
  for (const { pid } of workers) {
    // Those that reach the whole group are the primary's to understand.
    for (const signal of SIGNALS) process.kill(pid, signal);
    assert.deepEqual(inheritedBy(pid), { input: "/dev/null", flags: config.proxyNodeFlags });
  }
  const ends = await Promise.all(Array.from({ length: 6 }, () => connect(plane)));
  await until(async () => accepted(await plane.metrics()) === 6, "all are counted");
  for (const end of ends) end.socket.end();
  await Promise.all(ends.map((end) => end.whenEnded()));
  await plane.drain(2_000);
  const later = await plane.metrics();
  assert.equal(accepted(later), 6);
  assert.deepEqual(later.gauges, []);
  assert.deepEqual(plane.workers(), []);
  assert.equal(plane.crashes, 0);
  for (const { pid } of workers) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});

test("a plane that is stopped while its workers come up does not wait for them", async (t) => {
  const { plane } = unopened(t, {});
  const refused = assert.rejects(plane.listen(), { code: "MCA_PROXY_WORKER_DOWN" });
  await until(() => plane.workers().length > 0, "one comes up");
  await plane.drain(3_600_000);
  await refused;
  assert.deepEqual([plane.workers(), plane.crashes], [[], 0]);
});

test("a worker that is told what it cannot take ends, instead of going on with what was withdrawn", async (t) => {
  const { plane, state, log } = await given(t, { followMs: 60_000 });
  const workers = await whole(plane);
  const message = state.message.bind(state);
  const broken = t.mock.method(state, "message", (...told: Parameters<typeof message>) => ({
    ...message(...told),
    policyRevision: 99,
    policies: undefined,
  }));
  state.update({ policies: nobody });
  broken.mock.restore();
  await whole(plane, workers);
  assert.equal(plane.crashes, 2);
  assert.match(String(log.of("worker.ended")[0]?.["reason"]), /ended by exit code/);
});

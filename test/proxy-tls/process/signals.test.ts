// Which signals stop a proxy, and how often the same one counts.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Signals } from "../../../src/proxy-tls/process/signals.ts";
import { silentLogger } from "../../../src/runtime/index.ts";

function given(t: TestContext): { readonly signals: Signals; readonly seen: string[]; forced: boolean } {
  const signals = new Signals(silentLogger);
  t.after(() => signals.close());
  const out = { signals, seen: [] as string[], forced: false };
  signals.onSignal((signal) => out.seen.push(signal));
  void signals.stopForced.then(() => {
    out.forced = true;
  });
  return out;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("the same request to stop, sent to the group and passed on by the launcher, counts once", async (t) => {
  const out = given(t);
  process.emit("SIGTERM", "SIGTERM");
  process.emit("SIGTERM", "SIGTERM");
  await settled();
  assert.deepEqual(out.seen, ["SIGTERM"]);
  assert.equal(out.signals.stop, "SIGTERM");
  assert.equal(out.forced, false);
  process.emit("SIGINT", "SIGINT");
  await settled();
  assert.equal(out.forced, true, "another one asks to stop at once");
  assert.equal(await out.signals.stopAsked, "SIGTERM");
});

test("a repetition that comes when nobody follows signals any more does not end the process in place of its exit code", async (t) => {
  const out = given(t);
  process.emit("SIGTERM", "SIGTERM");
  await out.signals.stopAsked;
  out.signals.close();
  // A real one: what Node does by itself is meant.
  process.kill(process.pid, "SIGTERM");
  await settled();
  assert.deepEqual(out.seen, ["SIGTERM"]);
});

test("other signals pass each time and stop nothing", async (t) => {
  const out = given(t);
  for (const signal of ["SIGHUP", "SIGUSR1", "SIGHUP"] as const) process.emit(signal, signal);
  await settled();
  assert.deepEqual(out.seen, ["SIGHUP", "SIGUSR1", "SIGHUP"]);
  assert.equal(out.signals.stop, undefined);
});

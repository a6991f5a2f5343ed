// Closing: in the opposite order, once, and whatever happens.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { Lifecycle, silentLogger } from "../../src/runtime/index.ts";
import { until } from "../support/until.ts";

test("what was opened last is closed first, and a failing step does not keep the others open", async () => {
  const lifecycle = new Lifecycle(silentLogger);
  const order: string[] = [];
  lifecycle.add("a", () => order.push("a"));
  lifecycle.add("b", async () => {
    order.push("b");
    throw new Error("b does not close");
  });
  lifecycle.add("c", () => order.push("c"));
  await Promise.all([lifecycle.close(), lifecycle.close()]);
  assert.deepEqual(order, ["c", "b", "a"]);
});

/** @param held once it is closed, its process waits until its standard input ends, too */
function child(closeMs: number, deadlineMs: number, held = false) {
  const program = `
    import { closeOnSignal, silentLogger } from ${JSON.stringify(new URL("../../src/runtime/index.ts", import.meta.url).href)};
    const alive = setInterval(() => {}, 1000);
    const closed = closeOnSignal({ close: () => new Promise((resolve) => setTimeout(resolve, ${closeMs})) }, { logger: silentLogger, deadlineMs: ${deadlineMs} });
    console.log("up");
    await closed;
    clearInterval(alive);
    console.log("closed");
    process.stdin.resume();`;
  const process_ = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (!held) process_.stdin.end();
  let output = "";
  process_.stdout.on("data", (chunk) => {
    output += chunk;
  });
  return { process: process_, output: () => output };
}

test("SIGTERM lets work in flight finish, and the process then ends by itself", async () => {
  const { process: running, output } = child(200, 10_000);
  await once(running.stdout, "data");
  running.kill("SIGTERM");
  const [code] = await once(running, "exit");
  assert.equal(code, 0);
  assert.match(output(), /closed/);
});

test("the same request that arrives twice within two seconds counts once", async () => {
  const { process: running, output } = child(400, 10_000);
  await once(running.stdout, "data");
  running.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 50));
  running.kill("SIGTERM");
  const [code] = await once(running, "exit");
  assert.equal(code, 0);
  assert.match(output(), /closed/);
});

test("a request that is repeated behind the closing, while the process ends, does not end it as a signal does", async () => {
  const { process: running, output } = child(0, 10_000, true);
  await once(running.stdout, "data");
  running.kill("SIGTERM");
  await until(() => output().includes("closed"), "it is closed");
  running.kill("SIGTERM");
  running.stdin.end();
  assert.deepEqual(await once(running, "exit"), [0, null]);
});

test("a second signal ends the process at once", async () => {
  const { process: running, output } = child(60_000, 120_000);
  await once(running.stdout, "data");
  running.kill("SIGTERM");
  // When it has received the first is not known here: the second one is sent until it counts.
  const again = setInterval(() => running.kill("SIGINT"), 100);
  const [code] = await once(running, "exit");
  clearInterval(again);
  assert.equal(code, 1);
  assert.doesNotMatch(output(), /closed/);
});

test("what does not close in time is ended by the deadline", async () => {
  const { process: running } = child(60_000, 300);
  await once(running.stdout, "data");
  running.kill("SIGTERM");
  const [code] = await once(running, "exit");
  assert.equal(code, 1);
});

// The shape of Node's tick objects survives full collections: judged by the CPU time of ticks in processes of their own, with our flags.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { nodeFlags, projectRoot } from "../../scripts/lib/command.ts";

/** Some ticks, so that V8 has seen their shape; a collection while there are none; then many. */
const program = (before: string): string => `
import { setImmediate as turn } from "node:timers/promises";
import { keepTickShape } from "./src/runtime/tick-shape.ts";
${before};
await turn();
const ticks = (count) => new Promise((resolve) => {
  let left = count;
  const tick = () => (--left === 0 ? resolve() : process.nextTick(tick, 1, 2));
  setImmediate(tick);
});
await ticks(300);
setImmediate(() => gc({ type: "major", execution: "sync", flavor: "last-resort" }));
await turn();
await turn();
await ticks(100_000);
const { user } = process.threadCpuUsage();
await ticks(400_000);
console.log(process.threadCpuUsage().user - user);
`;

/** The least of three: what else a machine does costs a process time of its own, in caches and by waking it, and never saves it any. */
function microseconds(before: string): number {
  const args = [...nodeFlags(), "--input-type=module", "--eval", program(before)];
  const measured = (): number => Number(execFileSync(process.execPath, args, { cwd: projectRoot, encoding: "utf8" }));
  return Math.min(measured(), measured(), measured());
}

test("a tick costs the same after a full collection as before, which without a kept one it does not", () => {
  const kept = microseconds("keepTickShape()");
  const forgotten = microseconds("");
  assert.ok(kept * 2 < forgotten, `${kept} us against ${forgotten} us`);
});

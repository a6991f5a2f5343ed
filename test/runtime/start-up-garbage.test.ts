// What start-up leaves behind is given back: judged by the resident memory of a process of its own, with the flags that all servers have.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { nodeFlags, projectRoot } from "../../scripts/lib/command.ts";

const PROGRAM = `
import { collectStartUpGarbage } from "./src/runtime/start-up-garbage.ts";
let garbage = Array.from({ length: 400_000 }, (_, n) => ({ n, text: "x" + n }));
garbage = undefined;
const before = process.memoryUsage.rss();
collectStartUpGarbage();
console.log((before - process.memoryUsage.rss()) / 2 ** 20);
`;

function megabytesGivenBack(flags: readonly string[]): number {
  const args = [...flags, "--input-type=module", "--eval", PROGRAM];
  return Number(execFileSync(process.execPath, args, { cwd: projectRoot, encoding: "utf8" }));
}

test("memory that start-up no longer needs goes back to the system", () => {
  const given = megabytesGivenBack(nodeFlags());
  assert.ok(given > 10, `${given} MB`);
});

test("without the flag nothing is collected, and nothing breaks", () => {
  assert.ok(megabytesGivenBack([]) < 10);
});

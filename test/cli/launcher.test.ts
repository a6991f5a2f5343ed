// bin/mesh-ca.mjs: which Node it finds, and that signals, exit codes and its own death reach the program.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot } from "../../scripts/lib/command.ts";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import { isAlive } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { cli, startCli } from "./run.ts";

const LAUNCHER = join(projectRoot, "bin/mesh-ca.mjs");

/** The Node of the shell, which may be older than the pinned one. */
function systemNode(): string | undefined {
  const path = (process.env["PATH"] ?? "").split(":").filter((folder) => !folder.includes("node_modules"));
  const found = spawnSync("node", ["-p", "process.execPath"], { env: { PATH: path.join(":") }, encoding: "utf8" });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

/** Waits for what the program prints; fails with what it printed instead. */
async function untilPrinted(run: ReturnType<typeof startCli>, pattern: RegExp): Promise<void> {
  const end = performance.now() + 20_000;
  while (!pattern.test(run.stdout())) {
    if (run.child.exitCode !== null || performance.now() > end)
      throw new Error(`not printed: ${(await run.result).stderr}`);
    await sleep(10);
  }
}

/** A package of its own with the launcher and a program that a test writes. */
const ADDED = { TEST_A: "0", TEST_B: "1" };
const CONFIG = { nodeFlags: [], proxyNodeFlags: [], serverEnvironment: { TEST_A: "2" }, proxyEnvironment: ADDED };

function packageWith(program: string): string {
  const root = temporaryDirectory();
  mkdirSync(join(root, "bin"));
  mkdirSync(join(root, "dist/cli"), { recursive: true });
  cpSync(LAUNCHER, join(root, "bin/mesh-ca.mjs"));
  writeFileSync(join(root, "package.json"), JSON.stringify({ type: "module", config: CONFIG }));
  writeFileSync(join(root, "dist/cli/main.js"), program);
  return join(root, "bin/mesh-ca.mjs");
}

test("The shell's Node, also an older one, starts the program with the pinned Node 24", async (t) => {
  const node = systemNode();
  if (node === undefined) return t.skip("no node outside node_modules");
  const result = await cli(["--version"], { program: [node, LAUNCHER] });
  assert.equal(result.code, 0, result.stderr);
  assert.match(result.stdout, /^\d+\.\d+\.\d+\n$/);
  t.diagnostic(`started by ${spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim()}`);
});

test("Exit codes pass, and so do the streams", async () => {
  const launcher = packageWith('process.stdin.pipe(process.stdout); process.stdin.on("end", () => process.exit(3));');
  const result = await cli([], { program: [process.execPath, launcher], input: "through" });
  assert.equal(result.code, 3);
  assert.equal(result.stdout, "through");
});

test("The server and the proxy get what their allocator is told, beside what the operator has set", async () => {
  const names = ["TEST_A", "TEST_B", "MESH_CA_ADDED"];
  const launcher = packageWith(
    `console.log(JSON.stringify(${JSON.stringify(names)}.map((name) => process.env[name] ?? null)));`,
  );
  const told = async (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<unknown> =>
    JSON.parse((await cli(args, { program: [process.execPath, launcher], env })).stdout);
  assert.deepEqual(await told(["svid", "fetch"]), [null, null, null], "its commands are the user's");
  assert.deepEqual(await told(["server"]), ["2", null, "TEST_A"]);
  assert.deepEqual(await told(["server"], { TEST_A: "9" }), ["9", null, null]);
  assert.deepEqual(await told(["proxy", "run"]), ["0", "1", "TEST_A TEST_B"]);
  const operators = await told(["proxy", "run"], { TEST_A: "9" });
  assert.deepEqual(operators, ["9", "1", "TEST_B"]);
});

test("A signal to the launcher ends the program in its own way", async () => {
  const launcher = packageWith(
    'process.on("SIGTERM", () => { console.log("asked"); process.exit(5); }); setInterval(() => {}, 1000); console.log("up");',
  );
  const run = startCli([], { program: [process.execPath, launcher] });
  await untilPrinted(run, /up/);
  run.child.kill("SIGTERM");
  const { code, stdout } = await run.result;
  assert.equal(code, 5);
  assert.match(stdout, /asked/);
});

test("A program that a signal ends is told as 128 and the signal's number", async () => {
  const launcher = packageWith('process.kill(process.pid, "SIGKILL");');
  assert.equal((await cli([], { program: [process.execPath, launcher] })).code, 137);
});

test("When the launcher is killed the program ends too", async () => {
  const follow = JSON.stringify(join(projectRoot, "src/cli/launcher.ts"));
  const launcher = packageWith(
    `import { followLauncher } from ${follow}; followLauncher(); process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000); console.log(process.pid);`,
  );
  const run = startCli([], { program: [process.execPath, launcher] });
  await untilPrinted(run, /\d+\n/);
  const pid = Number(run.stdout());
  run.child.kill("SIGKILL");
  await until(() => !isAlive(pid), "the program has ended");
});

test("Without a pinned Node and with an old one, it says what to install", async (t) => {
  const node = systemNode();
  const major =
    node === undefined
      ? 24
      : Number(spawnSync(node, ["-p", "process.versions.node.split('.')[0]"], { encoding: "utf8" }).stdout);
  if (node === undefined || major >= 24) return t.skip("no older node outside node_modules");
  const launcher = packageWith("");
  chmodSync(launcher, 0o755);
  const result = await cli([], { program: [node, launcher] });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /Node 24 or newer is needed/);
});

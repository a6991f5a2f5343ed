// The application that the proxy starts, and what it inherits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RunningCommand } from "../../../src/proxy-tls/process/command.ts";

test("the application has the environment that it is given, and nothing of ours beside", async () => {
  const program = 'process.exit(process.env.TEST_GIVEN === "1" && process.env.PATH === undefined ? 0 : 7)';
  const command = [process.execPath, "-e", program];
  const running = await RunningCommand.start({ command, umask: 0o022, environment: { TEST_GIVEN: "1" } });
  assert.equal(await running.ended, 0);
});

test("its process id is told in the turn that starts it, before it can have done anything; one that cannot be started has none", async () => {
  const told: number[] = [];
  const onSpawned = (pid: number) => void told.push(pid);
  const environment = undefined;
  const starting = RunningCommand.start({ command: ["true"], umask: 0o022, environment, onSpawned });
  assert.equal(told.length, 1);
  const running = await starting;
  assert.equal(await running.ended, 0);
  const nowhere = RunningCommand.start({ command: ["/nowhere/application"], umask: 0o022, environment, onSpawned });
  await assert.rejects(nowhere, { code: "MCA_PROXY_COMMAND" });
  assert.equal(told.length, 1);
});

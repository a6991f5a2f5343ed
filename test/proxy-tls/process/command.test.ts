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

// The application that the proxy starts, and what it inherits.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RunningCommand } from "../../../src/proxy-tls/process/command.ts";

test("The application has our environment without what the launcher added for the proxy alone", async (t) => {
  Object.assign(process.env, {
    MESH_CA_ADDED: "TEST_ADDED TEST_ALSO",
    TEST_ADDED: "1",
    TEST_ALSO: "2",
    TEST_KEPT: "3",
  });
  t.after(() => {
    for (const name of ["MESH_CA_ADDED", "TEST_ADDED", "TEST_ALSO", "TEST_KEPT"]) delete process.env[name];
  });
  const names = '"MESH_CA_ADDED", "TEST_ADDED", "TEST_ALSO"';
  const program = `process.exit([${names}].every((name) => process.env[name] === undefined) && process.env.TEST_KEPT === "3" && process.env.PATH ? 0 : 7)`;
  const running = await RunningCommand.start({ command: [process.execPath, "-e", program], umask: 0o022 });
  assert.equal(await running.ended, 0);
});

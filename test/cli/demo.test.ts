// `mesh-ca demo`: its way to the end is run by CI (npm run demo); here is what an interruption leaves behind.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { startCli } from "./run.ts";

test("Ctrl-C in the middle of the demo stops the server and removes the folder", async () => {
  const tmp = join(await temporaryFolder(), "tmp");
  mkdirSync(tmp, { mode: 0o711 });
  const run = startCli(["demo"], { env: { TMPDIR: tmp } });
  await until(() => run.stdout().includes("\n3. ") || run.child.exitCode !== null, "the third step", 60_000);
  assert.equal(run.child.exitCode, null, `${run.stdout()}${run.stderr()}`);
  assert.equal(readdirSync(tmp).filter((name) => name.startsWith("mesh-ca-demo-")).length, 1);
  run.child.kill("SIGINT");
  await until(() => /stopping/i.test(run.stderr()), "it is told");
  // Once more, as where the whole group gets it and the launcher passes it on.
  run.child.kill("SIGINT");
  const { code, stderr } = await run.result;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /MCA_DEMO_INTERRUPTED/);
  assert.deepEqual(
    readdirSync(tmp).filter((name) => name.startsWith("mesh-ca-demo-")),
    [],
  );
});

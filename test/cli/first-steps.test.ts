// What somebody meets who has just installed the program, and whoever writes a script around it: no configuration, no server, wrong paths,
// help. Every answer says what to do, and the exit code what kind of failure it is (docs/cli.md).
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import { cli } from "./run.ts";

test("Without a configuration the missing file is named, and how to begin", async () => {
  const dataDir = join(temporaryDirectory(), "none");
  for (const command of ["server", "init"]) {
    const { code, stderr } = await cli([command, "--data-dir", dataDir]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, command === "init" ? /--config FILE, or --trust-domain/ : /none\/mesh-ca\.yaml is not there/);
    assert.match(stderr, /--development/);
  }
  const other = await cli(["server", "--data-dir", dataDir, "--set", "listen.grpc.prt=1"]);
  assert.match(other.stderr, /listen\.grpc\.prt is not a known key/, "another fault is told as what it is");
});

test("A server that is stopped can be tried again later (4); a data directory that is none is a mistake (2)", async () => {
  const dataDir = temporaryDirectory();
  mkdirSync(join(dataDir, "run"));
  const stopped = await cli(["audit", "list", "--data-dir", dataDir]);
  assert.deepEqual([stopped.code, stopped.stdout], [4, ""]);
  assert.match(stopped.stderr, /Start the server .*\(MCA_SERVER_UNAVAILABLE\)/);
  const wrong = await cli(["audit", "list", "--data-dir", join(dataDir, "wrong"), "--json"]);
  assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
  assert.match(wrong.stderr, /\(MCA_CLI_FILE\)/);
});

test("Settings that a rotation cannot keep are a wrong configuration", async () => {
  const settings = ["--trust-domain", "example.test", "--set", "authority.lifetimeSeconds=3600"];
  const { code, stderr } = await cli(["init", "--data-dir", join(temporaryDirectory(), "data"), ...settings]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /MCA_ROTATION_IMPOSSIBLE/);
});

test("Help tells defaults in words", async () => {
  const { code, stdout } = await cli(["explain", "--help"]);
  assert.equal(code, 0);
  const text = stdout.replaceAll(/\s+/g, " ");
  assert.match(text, /\(default: none\)/);
  assert.doesNotMatch(text, /\(default: \[\]\)/);
});

// `mesh-ca proxy run` as somebody writes it who forgets the `--` before the command.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cli } from "./run.ts";

test("what stands behind the command's name is the command's, also without --", async () => {
  const lines = [
    ["-c", "/nowhere/proxy.yaml", "sh", "-c", "true", "--version"],
    ["-c", "/nowhere/proxy.yaml", "--", "sh", "-c", "true", "--help"],
  ];
  for (const { code, stdout, stderr } of await Promise.all(lines.map((line) => cli(["proxy", "run", ...line])))) {
    assert.equal(code, 2, stderr);
    assert.match(stderr, /\/nowhere\/proxy\.yaml/);
    assert.equal(stdout, "");
  }
});

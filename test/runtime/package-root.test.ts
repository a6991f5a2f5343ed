import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/runtime/index.ts";

test("the package root has what is read at run time", () => {
  for (const path of ["package.json", "migrations", "src/proto/descriptor.binpb"]) {
    assert.ok(existsSync(join(packageRoot(), path)), path);
  }
});

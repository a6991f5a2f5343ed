// The checks of `npm run check` catch what they are there for.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { isLink, leakOf } from "../../scripts/checks/leaks.ts";
import { codeLiterals, documentedCodes } from "../../scripts/lib/codes.ts";
import { pathDifferences } from "../../scripts/lib/files.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("The check for leaks", () => {
  const slash = "/";
  const bad = [
    `see ${slash}home${slash}somebody/notes`,
    `"path": "${slash}root${slash}.config"`,
    `cd ${slash}work${slash}project`,
    `"resolved": "https:${slash}${slash}example.test/a.tgz"`,
    `registry=https:${slash}${slash}registry.npm${"js"}.org/`,
  ];
  for (const line of bad)
    test(`refuses ${JSON.stringify(line)}`, () => assert.notEqual(leakOf(line, "a.md"), undefined));
  const good = [
    "dataDir: /var/lib/mesh-ca",
    "any parent at 0700, for example /root, stops it",
    "test/work/a.ts",
    "spiffe://example.test/home/a",
  ];
  for (const line of good) test(`takes ${JSON.stringify(line)}`, () => assert.equal(leakOf(line, "a.md"), undefined));
  test("tells a link from a file", () => {
    assert.equal(isLink("node_modules/.bin/tsc"), true);
    assert.equal(isLink("package.json"), false);
    assert.equal(isLink("no-such-file"), false);
  });
  const key = `-----BEGIN ${"PRIVATE"} KEY-----`;
  test("refuses a private key anywhere but in pki-samples", () => {
    assert.notEqual(leakOf(key, "test/support/a.pem"), undefined);
    assert.notEqual(leakOf(key, "docs/pki-samples/a.pem"), undefined);
    assert.equal(leakOf(key, "pki-samples/keys/a.key.pem"), undefined);
    assert.equal(leakOf(`const text = "${key}";`, "test/a.test.ts"), undefined);
  });
});

describe("The check of error codes", () => {
  test("finds codes in values and in literal types, and none in comments or longer texts", () => {
    const source = `type A = "MCA_ONE" | "MCA_TWO"; throw new E("MCA_THREE", "see MCA_FOUR"); // "MCA_FIVE"`;
    assert.deepEqual([...codeLiterals(parseSync("a.ts", source).program)].sort(), ["MCA_ONE", "MCA_THREE", "MCA_TWO"]);
  });
  test("reads the rows of the page with their status", () => {
    const page = "text `MCA_NO_ROW`\n| code | status |\n|---|---|\n| `MCA_A_B` | NOT_FOUND | x | y |\n";
    assert.deepEqual([...documentedCodes(page)], [["MCA_A_B", "NOT_FOUND"]]);
  });
});

test("pathDifferences names what is missing, different and left over", () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-differences-"));
  try {
    for (const side of ["a", "b"]) mkdirSync(join(folder, side));
    writeFileSync(join(folder, "a/same"), "1");
    writeFileSync(join(folder, "b/same"), "1");
    writeFileSync(join(folder, "a/changed"), "1");
    writeFileSync(join(folder, "b/changed"), "2");
    writeFileSync(join(folder, "a/gone"), "1");
    writeFileSync(join(folder, "b/extra"), "1");
    const found = pathDifferences(join(folder, "a"), join(folder, "b"));
    assert.deepEqual(found, ["/changed: different", "/extra: left over", "/gone: missing"]);
    assert.deepEqual(pathDifferences(join(folder, "a/changed"), join(folder, "b/changed")), [": different"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("complete-lock.mjs notices a lock without its optional platform packages, and adds exactly what npm would keep", () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-lock-"));
  try {
    for (const name of ["package.json", "package-lock.json", "scripts/complete-lock.mjs"])
      cpSync(join(root, name), join(folder, name));
    const file = join(folder, "package-lock.json");
    const whole = readFileSync(file, "utf8");
    const script = join(folder, "scripts/complete-lock.mjs");
    assert.equal(spawnSync(process.execPath, [script, "--check"]).status, 0);

    const lock: { packages: Record<string, { optional?: boolean; integrity?: string }> } = JSON.parse(whole);
    const dropped = Object.entries(lock.packages).filter(
      ([, entry]) => entry.optional && entry.integrity === undefined,
    );
    for (const [place] of dropped) delete lock.packages[place];
    writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
    const refused = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
    if (dropped.length > 0) assert.equal(refused.status, 1);
    for (const [place] of dropped) assert.ok(refused.stderr.includes(place), `${place} is not named`);

    execFileSync(process.execPath, [script]);
    assert.equal(readFileSync(file, "utf8"), whole);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

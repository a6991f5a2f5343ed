// The documentation names what is really there: files, links, npm scripts.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../../scripts/lib/command.ts";
import { filesBelow, readProjectFile } from "../../scripts/lib/files.ts";

const PAGES = [
  "README.md",
  "ARCHITECTURE.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...filesBelow("docs", (path) => path.endsWith(".md")),
];
const there = (path: string): boolean => existsSync(join(projectRoot, path));

test("every relative link in the documentation leads to a file", () => {
  const broken = PAGES.flatMap((page) =>
    [...readProjectFile(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !/^[a-z]+:/.test(target) && !there(join(dirname(page), target)))
      .map((target) => `${page}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test("every path of the project that the documentation names exists", () => {
  const missing = PAGES.flatMap((page) =>
    [...readProjectFile(page).matchAll(/`((?:src|test|scripts|docs|migrations|bin)\/[A-Za-z0-9_./-]*)`/g)]
      .map(([, path = ""]) => path)
      .filter((path) => !there(path))
      .map((path) => `${page}: ${path}`),
  );
  assert.deepEqual(missing, []);
});

test("every npm script that the documentation names exists", () => {
  const manifest: { scripts: Record<string, string> } = JSON.parse(readProjectFile("package.json"));
  const named = PAGES.flatMap((page) =>
    [...readProjectFile(page).matchAll(/\bnpm (?:run (?:--silent )?([a-z]+(?::[a-z]+)?)|(test|start))\b/g)].map(
      ([, run, short]) => ({ page, script: run ?? short ?? "" }),
    ),
  );
  assert.deepEqual(
    named.filter(({ script }) => !(script in manifest.scripts)),
    [],
  );
});

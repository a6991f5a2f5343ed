// What a worker of the proxy loads, file by file: every package costs its memory once for each core, so that those which only the primary
// needs stay out (OpenTelemetry alone is 25 MB).
import assert from "node:assert/strict";
import { posix } from "node:path";
import { test } from "node:test";
import { parseSync } from "oxc-parser";
import { readProjectFile } from "../../scripts/lib/files.ts";

const WORKER = "src/proxy-tls/process/worker-main.ts";
const ALLOWED = ["pino", "fastest-levenshtein", "typebox"];

/** Packages that a file loads at once, to the file that first asks for each. */
function packagesOf(start: string): Map<string, string> {
  const packages = new Map<string, string>();
  const seen = new Set<string>();
  const open = [start];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { staticImports, staticExports } = parseSync(path, readProjectFile(path)).module;
    const values = [
      ...staticImports.filter(({ entries }) => entries.length === 0 || entries.some(({ isType }) => !isType)),
    ].map(({ moduleRequest }) => moduleRequest.value);
    for (const { entries } of staticExports) {
      for (const { moduleRequest, isType } of entries) if (moduleRequest && !isType) values.push(moduleRequest.value);
    }
    for (const target of values) {
      if (target.startsWith(".")) open.push(posix.join(posix.dirname(path), target));
      else if (!target.startsWith("node:") && !packages.has(target)) packages.set(target, path);
    }
  }
  assert.ok(seen.size > 100, "the way through the imports was found");
  return packages;
}

test("a worker of the proxy loads no package that only the primary needs", () => {
  const loaded = [...packagesOf(WORKER)].filter(([name]) => !ALLOWED.includes(name.split("/")[0] ?? name));
  assert.deepEqual(loaded, []);
});

test("the SDK loads no OpenTelemetry", () => {
  const loaded = [...packagesOf("src/identity-client/index.ts").keys()];
  assert.deepEqual(
    loaded.filter((name) => name.startsWith("@opentelemetry/") || name === "fastify"),
    [],
  );
});

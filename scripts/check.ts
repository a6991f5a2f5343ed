// `npm run check`: everything that can be said about the project without running it. All checks run, then the failures are
// told together; a check that could not run says so loudly.
//   npm run check                 all of them
//   npm run check -- proto knip   those whose name contains one of these words
import { codesCheck } from "./checks/codes.ts";
import { generatedCheck } from "./checks/generated.ts";
import { leaksCheck } from "./checks/leaks.ts";
import { protoChecks } from "./checks/proto.ts";
import { toolChecks } from "./checks/tools.ts";
import type { Check } from "./lib/check.ts";
import { stop } from "./lib/command.ts";

const all: readonly Check[] = [...toolChecks, ...protoChecks, generatedCheck, codesCheck, leaksCheck];
const words = process.argv.slice(2);
const chosen = words.length === 0 ? all : all.filter((check) => words.some((word) => check.name.includes(word)));
if (chosen.length === 0)
  stop(`No check's name contains ${words.join(", ")}. The checks: ${all.map((check) => check.name).join("; ")}.`);

const failed: string[] = [];
for (const check of chosen) {
  const started = performance.now();
  const result = await check.run();
  const seconds = `${((performance.now() - started) / 1000).toFixed(1)} s`;
  switch (result.kind) {
    case "passed":
      console.log(`ok       ${check.name}${result.note === undefined ? "" : ` (${result.note})`}, ${seconds}`);
      break;
    case "skipped":
      console.log(`SKIPPED  ${check.name}: ${result.reason}`);
      break;
    case "failed":
      console.log(`FAILED   ${check.name}, ${seconds}\n${result.report.replace(/^/gm, "         ")}`);
      failed.push(check.name);
  }
}
if (failed.length > 0) stop(`${failed.length} of ${chosen.length} checks failed: ${failed.join("; ")}.`);
console.log(`All ${chosen.length} checks passed.`);

// Checks that are one run of a tool: types, lint, import rule, lock, dead code.

import type { Check, CheckResult } from "../lib/check.ts";
import { capture } from "../lib/command.ts";

export const toolChecks: readonly Check[] = [
  toolCheck("types (tsc)", "tsc", ["--noEmit", "-p", "."]),
  toolCheck("lint and format (biome)", "biome", ["check", "--error-on-warnings", "."]),
  toolCheck("import rule", process.execPath, ["--test", "test/architecture/import-rule.test.ts"]),
  toolCheck("lock file is complete", process.execPath, ["scripts/complete-lock.mjs", "--check"]),
  toolCheck("dead code (knip)", "knip", ["--no-progress"]),
];

function toolCheck(name: string, program: string, args: readonly string[]): Check {
  return {
    name,
    async run(): Promise<CheckResult> {
      const result = await capture(program, args);
      return result.code === 0 ? { kind: "passed" } : { kind: "failed", report: result.output.trim() };
    },
  };
}

// The published .proto: its lint, and that a change keeps what callers rely on (buf breaking, WIRE_JSON).
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Check, CheckResult } from "../lib/check.ts";
import { capture, projectRoot } from "../lib/command.ts";

export const protoChecks: readonly Check[] = [
  {
    name: "proto lint (buf)",
    async run(): Promise<CheckResult> {
      const result = await capture("buf", ["lint"]);
      return result.code === 0 ? { kind: "passed" } : { kind: "failed", report: result.output.trim() };
    },
  },
  { name: "proto keeps its promises (buf breaking)", run: breaking },
];

/** Against the newest release tag; where there is none yet, against the previous commit. */
async function breaking(): Promise<CheckResult> {
  if (!existsSync(join(projectRoot, ".git"))) {
    return { kind: "skipped", reason: "this is no git checkout, so there is no older .proto to compare with" };
  }
  const tag = await capture("git", ["describe", "--tags", "--abbrev=0", "--match", "v*"]);
  const base = tag.code === 0 ? tag.output.trim() : "HEAD~1";
  const held = await capture("git", ["ls-tree", "-r", "--name-only", base, "--", "src/proto"]);
  if (held.code !== 0) return { kind: "skipped", reason: `the commit ${base} is not in this clone` };
  if (!held.output.includes(".proto")) return { kind: "skipped", reason: `the commit ${base} holds no .proto` };
  const result = await capture("buf", ["breaking", "--against", `.git#ref=${base}`]);
  if (result.code === 0) return { kind: "passed", note: `against ${base}` };
  return { kind: "failed", report: `Against ${base}:\n${result.output.trim()}` };
}

// What is generated and checked in is what its maker makes now.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Check, type CheckResult, fromFindings } from "../lib/check.ts";
import { projectRoot } from "../lib/command.ts";
import { pathDifferences } from "../lib/files.ts";
import { generated } from "../lib/generated.ts";

export const generatedCheck: Check = {
  name: "generated files are up to date",
  async run(): Promise<CheckResult> {
    const folder = await mkdtemp(join(tmpdir(), "mesh-ca-generated-"));
    const findings: string[] = [];
    try {
      for (const item of generated) {
        await item.write(folder);
        for (const difference of pathDifferences(join(folder, item.path), join(projectRoot, item.path))) {
          findings.push(`${item.path}${difference}; run "npm run generate"`);
        }
      }
    } catch (error) {
      findings.push(error instanceof Error ? error.message : String(error));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return fromFindings(findings);
  },
};

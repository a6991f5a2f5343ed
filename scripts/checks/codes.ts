// Every error code in three places or in none: the source that raises it, the table that maps it to gRPC status and log
// level (src/identity-api/errors.ts), and docs/errors.md, with the same status. Codes are read from the syntax tree, so that
// a code in a comment counts for nothing.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { type Check, type CheckResult, fromFindings } from "../lib/check.ts";
import { codeLiterals, documentedCodes } from "../lib/codes.ts";
import { projectRoot } from "../lib/command.ts";
import { filesBelow, readProjectFile } from "../lib/files.ts";

const TABLE = "src/identity-api/errors.ts";
const PAGE = "docs/errors.md";

export const codesCheck: Check = {
  name: "error codes: source, table and docs agree",
  async run(): Promise<CheckResult> {
    for (const path of [TABLE, PAGE]) {
      if (!existsSync(join(projectRoot, path))) return { kind: "failed", report: `${path} is missing.` };
    }
    const sources = filesBelow(
      "src",
      (path) => path.endsWith(".ts") && !path.startsWith("src/proto/gen/") && path !== TABLE,
    );
    const raised = new Map<string, string>();
    for (const path of sources) {
      for (const code of codeLiterals(parseSync(path, readProjectFile(path)).program))
        if (!raised.has(code)) raised.set(code, path);
    }
    const table = await errorTable();
    const documented = documentedCodes(readProjectFile(PAGE));
    const findings: string[] = [];
    for (const [code, path] of raised) {
      if (!table.has(code)) findings.push(`${code} (${path}) has no row in ${TABLE}`);
      if (!documented.has(code)) findings.push(`${code} (${path}) is not in ${PAGE}`);
    }
    for (const [code, status] of table) {
      if (!raised.has(code)) findings.push(`${code} has a row in ${TABLE}, but nothing else in src/ names it`);
      const said = documented.get(code);
      if (said === undefined) findings.push(`${code} has a row in ${TABLE}, but is not in ${PAGE}`);
      else if (said !== status) findings.push(`${code} is ${status} in ${TABLE} and ${said} in ${PAGE}`);
    }
    for (const code of documented.keys()) {
      if (!table.has(code)) findings.push(`${code} is in ${PAGE}, but has no row in ${TABLE}`);
    }
    return fromFindings([...new Set(findings)].sort(), `${table.size} codes`);
  },
};

/** Code to the name of its gRPC status, from the table itself. */
async function errorTable(): Promise<Map<string, string>> {
  const [{ errorTable: table }, { status }] = await Promise.all([
    import("../../src/identity-api/errors.ts"),
    import("@grpc/grpc-js"),
  ]);
  return new Map(
    Object.entries(table).map(([code, row]) => [code, typeof row.grpc === "number" ? status[row.grpc] : row.grpc]),
  );
}

// Every error code in three places or in none: the source that raises it, the table that maps it to gRPC status and log
// level (src/identity-api/errors.ts), and docs/errors.md, with the same status. What only the SDK, the CLI and the proxy raise never
// travels over gRPC: it has no row in the table, and the page calls it LOCAL. Codes are read from the syntax tree, so that a
// code in a comment counts for nothing.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { type Check, type CheckResult, fromFindings } from "../lib/check.ts";
import { codeLiterals, documentedCodes } from "../lib/codes.ts";
import { projectRoot } from "../lib/command.ts";
import { filesBelow, readProjectFile } from "../lib/files.ts";

const TABLE = "src/identity-api/errors.ts";
const PAGE = "docs/errors.md";
const CALLER_SIDE = ["src/identity-client/", "src/cli/", "src/proxy-tls/"];
const LOCAL = "LOCAL";

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
    // Code to where it is raised: a room behind the API if there is one, else the caller's side.
    const raised = new Map<string, string>();
    for (const path of sources) {
      for (const code of codeLiterals(parseSync(path, readProjectFile(path)).program)) {
        if (isCallerSide(raised.get(code) ?? CALLER_SIDE[0] ?? "")) raised.set(code, path);
      }
    }
    const table = await errorTable();
    const documented = documentedCodes(readProjectFile(PAGE));
    const findings: string[] = [];
    for (const [code, path] of raised) {
      if (!table.has(code) && !isCallerSide(path)) findings.push(`${code} (${path}) has no row in ${TABLE}`);
      if (!documented.has(code)) findings.push(`${code} (${path}) is not in ${PAGE}`);
    }
    for (const [code, status] of table) {
      if (!raised.has(code)) findings.push(`${code} has a row in ${TABLE}, but nothing else in src/ names it`);
      const said = documented.get(code);
      if (said === undefined) findings.push(`${code} has a row in ${TABLE}, but is not in ${PAGE}`);
      else if (said !== status) findings.push(`${code} is ${status} in ${TABLE} and ${said} in ${PAGE}`);
    }
    for (const [code, said] of documented) {
      if (!raised.has(code)) findings.push(`${code} is in ${PAGE}, but nothing in src/ names it`);
      else if (!table.has(code) && said !== LOCAL)
        findings.push(`${code} is ${said} in ${PAGE}, but has no row in ${TABLE}; is it ${LOCAL}?`);
    }
    return fromFindings([...new Set(findings)].sort(), `${table.size} codes`);
  },
};

function isCallerSide(path: string): boolean {
  return CALLER_SIDE.some((room) => path.startsWith(room));
}

/** Code to the name of its gRPC status, from the table itself. */
async function errorTable(): Promise<Map<string, string>> {
  const [{ errorTable: table }, { status }] = await Promise.all([
    import("../../src/identity-api/errors.ts"),
    import("@grpc/grpc-js"),
  ]);
  return new Map(Object.entries(table).map(([code, row]) => [code, status[row.grpc] ?? "?"]));
}

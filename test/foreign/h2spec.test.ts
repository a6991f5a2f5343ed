// h2spec (a conformance suite for HTTP/2 servers, in Go) against our server engine, with all of its strict cases. What it finds must be
// what is listed here.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { capture, projectRoot } from "../../scripts/lib/command.ts";
import { NO_SAFE_FIELDS } from "../../src/proxy-tls/http/fields/index.ts";
import { startServerEngine } from "../proxy-tls/support/http2-engines.ts";

const H2SPEC_FOLDER = join(projectRoot, "test/foreign/h2spec");
const BODY = Buffer.from("hello from the engine");

/** Cases that fail, by their title, and why that is no fault. */
const KNOWN: Readonly<Record<string, string>> = {
  "http2/5.1: closed: Sends a DATA frame after sending RST_STREAM frame":
    "it is a GET with a body, which we have refused and reset before its RST_STREAM comes",
  "http2/5.1: closed: Sends a HEADERS frame after sending RST_STREAM frame": "the same",
  "http2/5.3.1: Sends HEADERS frame that depend on itself":
    "nobody reads priorities any more (RFC 9113 section 5.3.2), and what they say is no fault",
  "http2/5.3.1: Sends PRIORITY frame that depend on itself": "the same",
};

/** Cases that fail where our answer is on its way before the frame that they send behind the request: then they are those of a closed stream. */
const RACES: ReadonlySet<string> = new Set([
  "http2/5.1: half closed (remote): Sends a HEADERS frame",
  "http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
]);

test("h2spec finds nothing in our HTTP/2 server but what is known", { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-h2spec-"));
  using server = await startServerEngine((exchange) => ({
    data: () => {},
    end: () => {
      exchange.respond({
        status: 200,
        fields: NO_SAFE_FIELDS,
        body: { kind: "length", bytes: BODY.length },
        close: false,
      });
      exchange.write(BODY);
      exchange.end(NO_SAFE_FIELDS);
    },
    aborted: () => {},
    writable: () => {},
  }));
  try {
    const program = join(folder, "h2spec");
    const built = await capture("go", ["build", "-o", program, "github.com/summerwind/h2spec/cmd/h2spec"], {
      cwd: H2SPEC_FOLDER,
    });
    assert.equal(built.code, 0, built.output);
    const report = join(folder, "report.xml");
    const told = await capture(program, ["-p", `${server.port}`, "--strict", "--timeout", "1", "-j", report], {
      cwd: folder,
    });
    const found = failedCases(readFileSync(report, "utf8")).filter((title) => !RACES.has(title));
    assert.deepEqual(server.faults, []);
    assert.deepEqual(found, Object.keys(KNOWN).toSorted(), told.output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The titles of the cases that failed, sorted. */
function failedCases(junit: string): string[] {
  const cases = junit.split("<testcase ").slice(1);
  assert.ok(cases.length > 100, "the report names the cases");
  return cases
    .filter((text) => text.includes("<failure") || text.includes("<error"))
    .map((text) => {
      const section = /package="([^"]*)"/.exec(text)?.[1] ?? "";
      return `${section}: ${/classname="([^"]*)"/.exec(text)?.[1] ?? ""}`;
    })
    .toSorted();
}

// The bench's JSON, which several runs may fill, and the page that is made of it.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { renderPerformancePage } from "../../scripts/lib/performance-page.ts";
import { figure } from "../bench/report.ts";
import { mergeReports, type Report, readReport, runsOf, writeReport } from "../bench/report-file.ts";

const OLD = { cpu: "old", cores: 2 };
const NEW = { cpu: "new", cores: 4, HAProxy: "2.6.12" };
const before: Report = {
  machine: OLD,
  figures: [figure("svid.node_cpu_us", 400, "us"), figure("proxy.l4_us", 30, "us"), figure("proxy.gone_us", 1, "us")],
};
const run: Report = {
  machine: NEW,
  figures: [
    figure("proxy.l4_us", 20, "us"),
    figure("proxy.http1_us", 60, "us"),
    figure("proxy.http1_plain_us", 90, "us"),
    figure("proxy.http1_haproxy_us", 30, "us"),
  ],
};
const names = ({ figures }: Report): string[] => figures.map(({ name, value }) => `${name} ${value}`);

test("a run replaces what it measures, and what it no longer measures of the same family; the rest is kept with its machine", () => {
  const merged = mergeReports(before, run, ["proxy."]);
  assert.deepEqual(names(merged), [
    "svid.node_cpu_us 400",
    "proxy.l4_us 20",
    "proxy.http1_us 60",
    "proxy.http1_plain_us 90",
    "proxy.http1_haproxy_us 30",
  ]);
  assert.deepEqual(merged.machine, NEW);
  assert.deepEqual(merged.earlier, [{ machine: OLD, figures: ["svid.node_cpu_us"] }]);
});

test("a run of some parts replaces by name only; a file of three runs tells each one's machine", () => {
  const third: Report = { machine: { cpu: "third" }, figures: [figure("proxy.http1_us", 50, "us")] };
  const merged = mergeReports(mergeReports(before, run, []), third, []);
  assert.deepEqual(
    runsOf(merged).map(({ machine, figures }) => [machine["cpu"], figures.length]),
    [
      ["old", 2],
      ["new", 3],
      ["third", 1],
    ],
  );
  assert.equal(merged.figures.length, 6);
});

test("the first run is a file by itself, and what no run is left of is gone", () => {
  assert.deepEqual(mergeReports(undefined, run, ["proxy."]), run);
  assert.deepEqual(mergeReports(run, { machine: OLD, figures: run.figures }, ["proxy."]).earlier, undefined);
});

test("a file that is no report is refused, and one that is not there is none", () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-report-"));
  try {
    const file = join(folder, "figures.json");
    assert.equal(readReport(file), undefined);
    writeReport(file, run);
    assert.deepEqual(readReport(file), run);
    for (const text of ["{}", "null", '{"figures":[]}', '{"machine":{},"figures":1}', "[]", "no JSON"]) {
      writeFileSync(file, text);
      assert.throws(() => readReport(file), /no figures of the bench|no JSON/);
    }
    assert.equal(readFileSync(file, "utf8"), "no JSON");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the page has a table for each run, and says who is ahead of us, and by how much", () => {
  const page = renderPerformancePage(JSON.stringify(mergeReports(before, run, ["proxy."])));
  assert.match(page, /Of one run: cpu old, cores 2\.\n\n.*\n.*\n\| `svid\.node_cpu_us`/);
  assert.match(page, /Of one run: cpu new, cores 4, HAProxy 2\.6\.12\.\n\n.*\n.*\n\| `proxy\.l4_us`/);
  assert.match(page, /\| \| mesh-ca \| plain Node \| HAProxy 2\.6\.12 \|\n/);
  assert.match(page, /\| an HTTP\/1\.1 call \| 60 us \| 90 us \| 30 us \|\n/);
  assert.match(page, /what HAProxy takes, multiplied: an HTTP\/1\.1 call 2\.0 times\.\n/);
  assert.doesNotMatch(page, /has not been kept yet/);
});

test("the page says so where the proxy was not measured, and where nobody else's was beside it", () => {
  assert.match(renderPerformancePage(undefined), /No figures of the proxy have been kept[\s\S]*## Budgets/);
  const alone = run.figures.filter(({ name }) => !name.includes("haproxy"));
  const page = renderPerformancePage(JSON.stringify({ machine: OLD, figures: alone }));
  assert.match(page, /Neither HAProxy nor nginx was installed/);
});

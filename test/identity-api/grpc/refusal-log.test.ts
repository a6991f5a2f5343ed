// A flood of refused calls does not fill the disk; what tells of a theft is not lost in it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusalLog } from "../../../src/identity-api/grpc/refusal-log.ts";
import { createLogger } from "../../../src/runtime/index.ts";

function refusalLog() {
  const clock = { time: 1_800_000_000_000, now: () => clock.time };
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger({ level: "info", destination: { write: (line) => lines.push(JSON.parse(line)) } });
  const log = new RefusalLog(logger, clock);
  const refuse = (code: string, times = 1, peer = "anonymous", address = "192.0.2.66") => {
    for (let time = 0; time < times; time++)
      log.write("info", { code, method: "/x/Y", peer, address, requestId: `${time}` }, "no");
  };
  return { clock, lines, log, refuse };
}

test("the first refusals are written whole; of a flood little is, and every one that is not is counted", () => {
  const { clock, lines, log, refuse } = refusalLog();
  let refused = 0;
  for (let second = 0; second < 60; second++) {
    refuse("MCA_UNAUTHENTICATED", 1_000);
    refused += 1_000;
    clock.time += 1_000;
  }
  log.close();
  assert.deepEqual(
    lines.slice(0, 20).map((line) => [line["event"], line["level"], line["requestId"], line["leftOut"]]),
    Array.from({ length: 20 }, (_, index) => ["call.refused", "info", `${index}`, undefined]),
  );
  assert.ok(lines.length <= 20 + 60 + 1, `${lines.length} lines`);
  const written = lines.filter((line) => line["event"] === "call.refused").length;
  const leftOut = lines.reduce((sum, line) => sum + Number(line["leftOut"] ?? 0), 0);
  assert.equal(written + leftOut, refused);
});

test("a flood of one code takes no line from another", () => {
  const { lines, refuse } = refusalLog();
  refuse("MCA_UNAUTHENTICATED", 10_000);
  refuse("MCA_TOKEN_REDEEMED");
  assert.equal(lines.at(-1)?.["code"], "MCA_TOKEN_REDEEMED");
});

test("a frozen lineage is told for each of its holders, whoever else floods the log", () => {
  const { lines, refuse } = refusalLog();
  refuse("MCA_LINEAGE_FROZEN", 10_000, "spiffe://example.test/loud");
  refuse("MCA_UNAUTHENTICATED", 10_000);
  refuse("MCA_LINEAGE_FROZEN", 1, "spiffe://example.test/quiet");
  assert.equal(lines.at(-1)?.["peer"], "spiffe://example.test/quiet");
  assert.equal(lines.filter((line) => line["peer"] === "spiffe://example.test/loud").length, 20);
});

test("a token that was used already is told for each address, whoever else floods the log with one", () => {
  const { lines, refuse } = refusalLog();
  refuse("MCA_TOKEN_REDEEMED", 10_000);
  refuse("MCA_TOKEN_REDEEMED", 1, "anonymous", "192.0.2.7");
  assert.deepEqual([lines.length, lines.at(-1)?.["address"]], [21, "192.0.2.7"]);
});

test("callers without number hold no memory without bound", () => {
  const { lines, log, refuse } = refusalLog();
  for (let peer = 0; peer < 12_000; peer++) refuse("MCA_LINEAGE_FROZEN", 1, `spiffe://example.test/${peer}`);
  assert.equal(lines.length, 10_000 + 20);
  log.close();
  assert.deepEqual([lines.at(-1)?.["event"], lines.at(-1)?.["leftOut"]], ["call.refused_unlogged", 1_980]);
});

test("what was left out is told after a while although nothing is refused any more, once", (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const { lines, refuse } = refusalLog();
  refuse("MCA_UNAUTHENTICATED", 25);
  context.mock.timers.tick(10_000);
  context.mock.timers.tick(10_000);
  const told = lines.filter((line) => line["event"] === "call.refused_unlogged");
  assert.deepEqual(
    told.map((line) => [line["code"], line["leftOut"]]),
    [["MCA_UNAUTHENTICATED", 5]],
  );
});

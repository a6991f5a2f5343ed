// The numbers of one process: what each record counts for, and that outsiders cannot make them grow without bound.
import assert from "node:assert/strict";
import { test } from "node:test";
import { catalogue, type MetricName } from "../../../src/proxy-tls/observe/catalogue.ts";
import { ProxyObserver } from "../../../src/proxy-tls/observe/observer.ts";
import type { ListenerCounts } from "../../../src/proxy-tls/observe/records.ts";
import type { MetricsSnapshot } from "../../../src/proxy-tls/observe/snapshot.ts";
import type { Decision } from "../../../src/proxy-tls/policy/decision.ts";
import { ALLOWED, connectionRecord, DENIED, exchangeRecord } from "../support/records.ts";

function observe() {
  const lines: string[] = [];
  const clock = { time: 1_000_000, now: () => clock.time };
  const sink = { lost: 0, line: (line: string) => void lines.push(line) };
  return { lines, clock, observer: new ProxyObserver({ lines: sink, clock }) };
}

/** The series of a metric: labels joined, to value. */
function seriesOf({ counters, gauges }: MetricsSnapshot, metric: MetricName): Record<string, number> {
  const all = [...counters, ...gauges].filter((series) => series.metric === metric);
  return Object.fromEntries(all.map(({ labels, value }) => [labels.join("|"), value]));
}

const OPEN: ListenerCounts = {
  ...{ listener: "inbound", connections: 3, handshakes: 1, exchanges: 2, upstreamConnections: 4, accepted: 9 },
  refused: new Map([["MCA_SVID_UNTRUSTED", 5]]),
};

test("requests are counted by listener, protocol and class of status; what was never answered is a class of its own", () => {
  const { observer } = observe();
  for (const status of [200, 204, 301, 403, 404, 500, 599, undefined]) observer.exchange(exchangeRecord({ status }));
  observer.exchange(exchangeRecord({ protocol: "2" }));
  observer.exchange(exchangeRecord({ protocol: "1.0", listener: "other" }));
  assert.deepEqual(seriesOf(observer.snapshot([]), "requests"), {
    ...{ "inbound|1.1|2xx": 2, "inbound|1.1|3xx": 1, "inbound|1.1|4xx": 2, "inbound|1.1|5xx": 2 },
    ...{ "inbound|1.1|none": 1, "inbound|2|2xx": 1, "other|1.0|2xx": 1 },
  });
});

test("decisions are counted by effect, reason and policy, of requests and of connections; matches apart", () => {
  const { observer } = observe();
  const audited: Decision = {
    ...{ effect: "deny", policy: "no-admin", rule: 1, reason: "denied" },
    dryRun: [{ policy: "tomorrow", rule: 0, action: "deny" }],
    audit: [{ policy: "watch", rule: 0, action: "audit" }],
  };
  observer.exchange(exchangeRecord());
  observer.exchange(exchangeRecord({ decision: audited }));
  observer.exchange(exchangeRecord({ decision: undefined }));
  observer.connection(connectionRecord({ decision: DENIED }));
  observer.connection(connectionRecord({ decision: ALLOWED }));
  const snapshot = observer.snapshot([]);
  assert.deepEqual(seriesOf(snapshot, "decisions"), {
    "inbound|allow|allowed|web-may-call": 2,
    "inbound|deny|denied|no-admin": 1,
    "inbound|deny|default-deny|": 1,
  });
  assert.deepEqual(seriesOf(snapshot, "matches"), {
    "inbound|dry-run|deny|tomorrow": 1,
    "inbound|audit|audit|watch": 1,
  });
});

test("refusals, aborts, ends, events and bytes are counted by what they are", () => {
  const { observer } = observe();
  observer.exchange(
    exchangeRecord({ refusal: { status: 400, code: "MCA_PROXY_REQUEST_REFUSED", reason: "two-hosts" } }),
  );
  observer.exchange(exchangeRecord({ aborted: { by: "upstream", cause: { kind: "timeout", deadline: "response" } } }));
  observer.exchange(exchangeRecord({ aborted: { by: "downstream", cause: { kind: "peer-gone" } } }));
  observer.connection(connectionRecord({ end: "peer-expired" }));
  observer.count("retry", "inbound");
  observer.count("retry", "inbound");
  const snapshot = observer.snapshot([]);
  assert.deepEqual(seriesOf(snapshot, "refused"), { "inbound|MCA_PROXY_REQUEST_REFUSED|two-hosts": 1 });
  assert.deepEqual(seriesOf(snapshot, "aborted"), {
    "inbound|upstream|response": 1,
    "inbound|downstream|peer-gone": 1,
  });
  assert.deepEqual(seriesOf(snapshot, "connectionsEnded"), { "inbound|peer-expired": 1 });
  assert.deepEqual(seriesOf(snapshot, "events"), { "inbound|retry": 2 });
  assert.deepEqual(seriesOf(snapshot, "bytes"), { "inbound|received": 109, "inbound|sent": 236 });
});

test("durations and the proxy's own part fall into their buckets; a bound belongs to its bucket", () => {
  const { observer } = observe();
  for (const durationMs of [0.4, 0.5, 0.6, 70_000]) observer.exchange(exchangeRecord({ durationMs, addedMs: 0.05 }));
  observer.exchange(exchangeRecord({ durationMs: 1, addedMs: undefined }));
  const { histograms } = observer.snapshot([]);
  const duration = histograms.find(({ metric }) => metric === "duration");
  const added = histograms.find(({ metric }) => metric === "added");
  assert.equal(duration?.counts.length, catalogue.duration.buckets.length + 1);
  assert.deepEqual(duration?.counts.slice(0, 3), [2, 2, 0]);
  assert.equal(duration?.counts.at(-1), 1);
  assert.ok(Math.abs((duration?.sum ?? 0) - 70.0025) < 1e-9);
  assert.deepEqual(added?.counts.slice(0, 2), [4, 0]);
});

test("what is open, and refused handshakes by code, come from the data plane; a silent listener is there, too", () => {
  const snapshot = observe().observer.snapshot([OPEN]);
  assert.deepEqual(seriesOf(snapshot, "connections"), { inbound: 3 });
  assert.deepEqual(seriesOf(snapshot, "handshakes"), { inbound: 1 });
  assert.deepEqual(seriesOf(snapshot, "exchanges"), { inbound: 2 });
  assert.deepEqual(seriesOf(snapshot, "upstreamConnections"), { inbound: 4 });
  assert.deepEqual(seriesOf(snapshot, "accepted"), { inbound: 9 });
  assert.deepEqual(seriesOf(snapshot, "handshakesRefused"), { "inbound|MCA_SVID_UNTRUSTED": 5 });
});

test("policies that come and go with reloads, and reasons, make a bounded number of series", () => {
  const { observer } = observe();
  for (let index = 0; index < 5_000; index += 1) {
    observer.exchange(
      exchangeRecord({
        decision: { ...ALLOWED, policy: `p${index}`, dryRun: [{ policy: `d${index}`, rule: 0, action: "deny" }] },
        refusal: { status: 400, code: "MCA_PROXY_REQUEST_REFUSED", reason: `r${index}` },
      }),
    );
  }
  const snapshot = observer.snapshot([]);
  assert.ok(snapshot.counters.length < 3_000, `${snapshot.counters.length} series`);
  assert.equal(seriesOf(snapshot, "decisions")["inbound|allow|allowed|(other)"], 4_000);
  assert.equal(seriesOf(snapshot, "refused")["inbound|(other)|(other)"], 4_500);
  assert.equal(seriesOf(snapshot, "matches")["inbound|(other)|(other)|(other)"], 4_000);
});

test("one line for each request; connections that came to nothing share an allowance, others are all told", () => {
  const { observer, lines, clock } = observe();
  for (let index = 0; index < 200; index += 1) observer.exchange(exchangeRecord());
  assert.equal(lines.length, 200);
  lines.length = 0;
  const nothing = { peer: undefined, decision: undefined, upstream: undefined, end: "overloaded" as const };
  for (let index = 0; index < 1_000; index += 1) observer.connection(connectionRecord(nothing));
  assert.equal(lines.length, 50);
  clock.time += 1_000;
  observer.connection(connectionRecord(nothing));
  assert.equal(JSON.parse(lines.at(-1) ?? "").leftOut, 950);
  lines.length = 0;
  for (let index = 0; index < 200; index += 1) observer.connection(connectionRecord({ decision: DENIED }));
  assert.equal(lines.length, 200);
  assert.equal(seriesOf(observer.snapshot([]), "connectionsEnded")["inbound|overloaded"], 1_001, "all are counted");
});

test("without an access log everything is counted all the same", () => {
  const observer = new ProxyObserver({ lines: undefined, clock: { now: () => 0 } });
  observer.exchange(exchangeRecord());
  assert.deepEqual(seriesOf(observer.snapshot([]), "requests"), { "inbound|1.1|2xx": 1 });
});

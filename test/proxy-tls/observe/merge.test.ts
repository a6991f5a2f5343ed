// The numbers of all workers as one: sums, and counters that never go back whatever becomes of workers.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MetricsCollector } from "../../../src/proxy-tls/observe/collector.ts";
import { MetricsTotals, mergeSnapshots } from "../../../src/proxy-tls/observe/merge.ts";
import { ProxyObserver } from "../../../src/proxy-tls/observe/observer.ts";
import { presentMetrics } from "../../../src/proxy-tls/observe/present.ts";
import type { MetricsSnapshot } from "../../../src/proxy-tls/observe/snapshot.ts";
import { createTelemetry } from "../../../src/runtime/telemetry.ts";
import { exchangeRecord } from "../support/records.ts";

function snapshot(requests: number, open: number, counts: readonly number[] = [requests, 0]): MetricsSnapshot {
  return {
    counters: [{ metric: "requests", labels: ["inbound", "1.1", "2xx"], value: requests }],
    histograms: [{ metric: "added", labels: ["inbound"], counts, sum: requests / 10 }],
    gauges: [{ metric: "connections", labels: ["inbound"], value: open }],
  };
}

const requestsOf = ({ counters }: MetricsSnapshot): number =>
  counters.filter(({ metric }) => metric === "requests").reduce((sum, { value }) => sum + value, 0);

test("equal series are added, others stand beside each other, and the order never matters", () => {
  const other: MetricsSnapshot = {
    counters: [{ metric: "requests", labels: ["inbound", "2", "2xx"], value: 7 }],
    ...{ histograms: [], gauges: [] },
  };
  const merged = mergeSnapshots([snapshot(3, 1, [1, 2]), other, snapshot(4, 2, [4, 0])]);
  assert.deepEqual(merged.counters.map(({ labels, value }) => [...labels, value]).sort(), [
    ["inbound", "1.1", "2xx", 7],
    ["inbound", "2", "2xx", 7],
  ]);
  assert.deepEqual(merged.histograms[0]?.counts, [5, 2]);
  assert.equal(merged.histograms[0]?.sum.toFixed(3), "0.700");
  assert.deepEqual(merged.gauges, [{ metric: "connections", labels: ["inbound"], value: 3 }]);
  const sorted = ({ counters }: MetricsSnapshot) => counters.map((series) => JSON.stringify(series)).sort();
  assert.deepEqual(sorted(mergeSnapshots([other, snapshot(4, 2, [4, 0]), snapshot(3, 1, [1, 2])])), sorted(merged));
});

test("labels that only look alike when joined stay apart", () => {
  const of = (...labels: string[]): MetricsSnapshot => ({
    counters: [{ metric: "refused", labels, value: 1 }],
    ...{ histograms: [], gauges: [] },
  });
  assert.equal(mergeSnapshots([of("a b", "c"), of("a", "b c"), of("a|b", "c"), of("a", "b|c")]).counters.length, 4);
});

test("whatever workers do, counters never go back, and what is open is that of the living", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("work" as const), worker: fc.nat(3), requests: fc.nat(50), open: fc.nat(5) }),
    fc.record({ kind: fc.constant("die" as const), worker: fc.nat(3) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const totals = new MetricsTotals();
      const living = new Map<number, { id: number; requests: number; open: number }>();
      let ids = 0;
      let counted = 0;
      let before = 0;
      for (const action of steps) {
        const worker = living.get(action.worker) ?? { id: ids++, requests: 0, open: 0 };
        if (action.kind === "die") {
          totals.ended(worker.id);
          living.delete(action.worker);
          // What was on its way when it died changes nothing any more.
          totals.update(worker.id, snapshot(1_000, 1_000));
        } else {
          worker.requests += action.requests;
          worker.open = action.open;
          counted += action.requests;
          living.set(action.worker, worker);
          totals.update(worker.id, snapshot(worker.requests, worker.open));
        }
        const total = totals.total();
        assert.equal(requestsOf(total), counted);
        assert.ok(requestsOf(total) >= before);
        before = requestsOf(total);
        const open = total.gauges.reduce((sum, { value }) => sum + value, 0);
        assert.equal(
          open,
          [...living.values()].reduce((sum, { open: now }) => sum + now, 0),
        );
      }
    }),
  );
});

test("every worker is asked once for those who ask together, and the page has the sum", async () => {
  const asked: number[] = [];
  const collector: MetricsCollector = new MetricsCollector({
    workers: () => [1, 2],
    ask(worker, { question }) {
      asked.push(worker);
      setImmediate(() => collector.answered(worker, { kind: "metrics-answer", question, snapshot: snapshot(10, 1) }));
    },
  });
  const [first, second] = await Promise.all([collector.collect(), collector.collect()]);
  assert.equal(requestsOf(first), 20);
  assert.equal(first, second);
  assert.deepEqual(asked, [1, 2]);
  assert.equal(requestsOf(await collector.collect()), 20, "asking again counts nothing twice");
  assert.deepEqual(asked, [1, 2, 1, 2]);
});

test("a worker that hangs, dies while it is asked or cannot be reached counts with what it told last", async () => {
  let mode: "answer" | "hang" = "answer";
  const collector: MetricsCollector = new MetricsCollector({
    answerMs: 50,
    workers: () => [1, 2, 3],
    ask(worker, { question }) {
      if (worker === 3) throw new Error("the channel is closed");
      if (worker === 2 || mode === "answer") {
        const told = snapshot(mode === "answer" ? 10 : 11, 1);
        setImmediate(() => collector.answered(worker, { kind: "metrics-answer", question, snapshot: told }));
      }
    },
  });
  assert.equal(requestsOf(await collector.collect()), 20);
  mode = "hang";
  assert.equal(requestsOf(await collector.collect()), 21);
  const waiting = collector.collect();
  collector.ended(1);
  assert.equal(requestsOf(await waiting), 21, "10 of the dead one, 11 of the living one");
  // A late answer to an old question is news all the same, and wakes nobody.
  collector.answered(2, { kind: "metrics-answer", question: 1, snapshot: snapshot(12, 1) });
  collector.answered(3, { kind: "metrics-answer", question: 0, snapshot: snapshot(5, 0) });
  collector.ended(3);
  assert.equal(requestsOf(await collector.collect()), 10 + 11 + 5);
});

test("without workers the page is there at once", async () => {
  const collector = new MetricsCollector({ workers: () => [], ask: () => {}, answerMs: 60_000 });
  assert.deepEqual(await collector.collect(), { counters: [], histograms: [], gauges: [] });
});

test("two workers' numbers survive the way between processes and appear in Prometheus text", async () => {
  const workers = [1, 2].map(() => {
    const observer = new ProxyObserver({ lines: undefined, clock: { now: () => 0 } });
    observer.exchange(exchangeRecord({ addedMs: 0.2 }));
    return observer;
  });
  const told = workers.map((observer): MetricsSnapshot => structuredClone(observer.snapshot([])));
  const telemetry = createTelemetry("test", async () => presentMetrics(mergeSnapshots(told)));
  const text = await telemetry.prometheusText();
  assert.match(text, /^mesh_ca_proxy_requests_total\{listener="inbound",protocol="1.1",status="2xx"\} 2$/m);
  assert.match(
    text,
    /^mesh_ca_proxy_decisions_total\{listener="inbound",effect="allow",reason="allowed",policy="web-may-call"\} 2$/m,
  );
  assert.match(text, /^mesh_ca_proxy_added_seconds_bucket\{listener="inbound",le="0.0002"\} 2$/m);
  assert.match(text, /^mesh_ca_proxy_added_seconds_count\{listener="inbound"\} 2$/m);
  assert.match(text, /^# UNIT mesh_ca_proxy_request_seconds s$/m);
  await telemetry.close();
});

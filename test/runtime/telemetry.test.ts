// Metrics as Prometheus reads them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CollectedMetric } from "../../src/runtime/metrics.ts";
import { createTelemetry } from "../../src/runtime/telemetry.ts";

test("counters, histograms and gauges appear in the Prometheus text with their attributes", async () => {
  const telemetry = createTelemetry("test");
  const counter = telemetry.metrics.counter("things_total", { description: "Things." });
  const red = counter.bind({ colour: "red" });
  const blue = counter.bind({ colour: "blue" });
  red.add(2);
  red.add(1);
  blue.add(5);
  const histogram = telemetry.metrics
    .histogram("wait_seconds", { description: "Waiting.", unit: "s", buckets: [0.1, 1] })
    .bind();
  histogram.record(0.5);
  telemetry.metrics.gauge("level", { description: "Level." }, () => [{ value: 7, attributes: { where: "here" } }]);
  const text = await telemetry.prometheusText();
  assert.match(text, /things_total\{[^}]*colour="red"[^}]*\} 3/);
  assert.match(text, /things_total\{[^}]*colour="blue"[^}]*\} 5/);
  assert.match(text, /wait_seconds_bucket\{[^}]*le="0\.1"[^}]*\} 0/);
  assert.match(text, /wait_seconds_bucket\{[^}]*le="1"[^}]*\} 1/);
  assert.match(text, /level\{[^}]*where="here"[^}]*\} 7/);
  assert.doesNotMatch(text, /target_info|otel_|\/node/, "nothing about the program's own place");
  red.add(1);
  assert.match(await telemetry.prometheusText(), /things_total\{[^}]*colour="red"[^}]*\} 4/);
  await telemetry.close();
});

test("what was counted elsewhere stands on the same page, sums and buckets as they were told", async () => {
  const collected: CollectedMetric[] = [
    {
      kind: "counter",
      name: "far_total",
      options: { description: "Far." },
      points: [{ attributes: { worker: 'a"b' }, value: 7 }],
    },
    { kind: "gauge", name: "open", options: { description: "Open." }, points: [{ attributes: {}, value: 3 }] },
    {
      kind: "histogram",
      name: "far_seconds",
      options: { description: "Far.", unit: "s", buckets: [0.1, 1] },
      points: [{ attributes: { where: "x" }, counts: [1, 2, 4], sum: 9.5 }],
    },
  ];
  const telemetry = createTelemetry("test", async () => collected);
  telemetry.metrics.counter("near_total", { description: "Near." }).bind().add(1);
  const text = await telemetry.prometheusText();
  assert.match(text, /^# TYPE far_total counter$/m);
  assert.match(text, /^far_total\{worker="a\\"b"\} 7$/m);
  assert.match(text, /^open 3$/m);
  assert.match(text, /^far_seconds_bucket\{where="x",le="0.1"\} 1$/m);
  assert.match(text, /^far_seconds_bucket\{where="x",le="1"\} 3$/m);
  assert.match(text, /^far_seconds_bucket\{where="x",le="\+Inf"\} 7$/m);
  assert.match(text, /^far_seconds_count\{where="x"\} 7$/m);
  assert.match(text, /^far_seconds_sum\{where="x"\} 9\.5$/m);
  assert.match(text, /^near_total 1$/m);
  await telemetry.close();
});

test("metrics that cannot be collected elsewhere are an error, not a page without them", async () => {
  const telemetry = createTelemetry("test", () => Promise.reject(new Error("no worker answers")));
  await assert.rejects(telemetry.prometheusText(), /no worker answers/);
  await telemetry.close();
});

// Metrics as Prometheus reads them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTelemetry } from "../../src/runtime/index.ts";

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

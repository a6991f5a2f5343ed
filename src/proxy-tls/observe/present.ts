// The numbers of the data plane in the form in which OpenTelemetry's exporter takes what was counted elsewhere.
import type { CollectedMetric, MetricAttributes, MetricOptions } from "../../runtime/metrics.ts";
import { catalogue, type MetricEntry, type MetricName } from "./catalogue.ts";
import type { HistogramSeries, MetricsSnapshot, NumberSeries } from "./snapshot.ts";

/** Every metric that has a series, in the catalogue's order. */
export function presentMetrics(snapshot: MetricsSnapshot): CollectedMetric[] {
  const numbers = byMetric([...snapshot.counters, ...snapshot.gauges]);
  const histograms = byMetric(snapshot.histograms);
  const metrics: CollectedMetric[] = [];
  for (const [key, entry] of Object.entries<MetricEntry>(catalogue)) {
    if (entry.kind === "histogram") {
      const points = histograms.get(key)?.map(({ labels, counts, sum }) => ({
        ...{ attributes: attributesOf(entry, labels), counts, sum },
      }));
      if (points !== undefined)
        metrics.push({ kind: "histogram", name: entry.name, options: optionsOf(entry), points });
      continue;
    }
    const points = numbers.get(key)?.map(({ labels, value }) => ({ attributes: attributesOf(entry, labels), value }));
    if (points !== undefined) metrics.push({ kind: entry.kind, name: entry.name, options: optionsOf(entry), points });
  }
  return metrics;
}

function byMetric<Series extends NumberSeries | HistogramSeries>(all: readonly Series[]): Map<string, Series[]> {
  const groups = new Map<MetricName, Series[]>();
  for (const series of all) {
    const group = groups.get(series.metric);
    if (group === undefined) groups.set(series.metric, [series]);
    else group.push(series);
  }
  return groups;
}

function attributesOf(entry: MetricEntry, values: readonly string[]): MetricAttributes {
  return Object.fromEntries(entry.labels.map((label, index) => [label, values[index] ?? ""]));
}

function optionsOf({ description, unit, buckets }: MetricEntry): MetricOptions {
  return { description, ...(unit === undefined ? {} : { unit }), ...(buckets === undefined ? {} : { buckets }) };
}

// Metrics that were counted elsewhere, in the form that OpenTelemetry's exporters take. Sums and buckets are handed on as they are.
import { ValueType } from "@opentelemetry/api";
import { AggregationTemporality, DataPointType, type MetricData } from "@opentelemetry/sdk-metrics";
import type { CollectedMetric, MetricAttributes } from "./metrics.ts";

/** Prometheus text tells no times; OpenTelemetry's types want them. */
const NO_TIME: [number, number] = [0, 0];

/** One metric with all its series. */
export function toMetricData(metric: CollectedMetric): MetricData {
  const { name, options } = metric;
  const base = {
    descriptor: {
      name,
      description: options.description,
      unit: options.unit ?? "",
      valueType: ValueType.DOUBLE,
    },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  switch (metric.kind) {
    case "counter":
      return {
        ...base,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: metric.points.map(({ attributes, value }) => point(attributes, value)),
      };
    case "gauge":
      return {
        ...base,
        dataPointType: DataPointType.GAUGE,
        dataPoints: metric.points.map(({ attributes, value }) => point(attributes, value)),
      };
    case "histogram":
      return {
        ...base,
        dataPointType: DataPointType.HISTOGRAM,
        dataPoints: metric.points.map(({ attributes, counts, sum }) => {
          const buckets = { boundaries: [...(options.buckets ?? [])], counts: [...counts] };
          return point(attributes, { buckets, sum, count: counts.reduce((total, count) => total + count, 0) });
        }),
      };
  }
}

function point<Value>(attributes: MetricAttributes, value: Value) {
  return { startTime: NO_TIME, endTime: NO_TIME, attributes, value };
}

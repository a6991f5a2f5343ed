// Metrics by OpenTelemetry, told as Prometheus text by our own listener (the exporter's server stays off).
// Counters are fields that the exporter reads when asked: adding to one costs an addition. A histogram record costs 0.5 us.
import { PrometheusExporter, PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { toMetricData } from "./collected-metrics.ts";
import type { CollectedMetric, MetricAttributes, Metrics } from "./metrics.ts";

export interface Telemetry {
  readonly metrics: Metrics;
  /** Everything in the Prometheus text format. */
  prometheusText(): Promise<string>;
  close(): Promise<void>;
}

interface Series {
  value: number;
  readonly attributes: MetricAttributes;
}

/**
 * The metrics of a process.
 * @param collect what was counted elsewhere and is told on the same page; asked each time
 */
export function createTelemetry(serviceName: string, collect?: () => Promise<readonly CollectedMetric[]>): Telemetry {
  const exporter = new PrometheusExporter({ preventServerStart: true, withResourceConstantLabels: /^$/ });
  const provider = new MeterProvider({ readers: [exporter] });
  const meter = provider.getMeter(serviceName);
  // Neither target_info, which would tell the path of this program, nor a scope on every line.
  const serializer = new PrometheusSerializer("", false, /^$/, true, true);

  const metrics: Metrics = {
    counter(name, options) {
      const all: Series[] = [];
      const instrument = meter.createObservableCounter(name, meterOptions(options));
      instrument.addCallback((result) => {
        for (const series of all) result.observe(series.value, series.attributes);
      });
      return {
        bind(attributes = {}) {
          const series: Series = { value: 0, attributes };
          all.push(series);
          return {
            add(value) {
              series.value += value;
            },
          };
        },
      };
    },
    histogram(name, options) {
      const instrument = meter.createHistogram(name, {
        ...meterOptions(options),
        ...(options.buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...options.buckets] } }),
      });
      return {
        bind(attributes = {}) {
          return { record: (value) => instrument.record(value, attributes) };
        },
      };
    },
    gauge(name, options, read) {
      const instrument = meter.createObservableGauge(name, meterOptions(options));
      instrument.addCallback((result) => {
        for (const { value, attributes } of read()) result.observe(value, attributes ?? {});
      });
    },
  };

  return {
    metrics,
    async prometheusText() {
      const [{ resourceMetrics, errors }, collected] = await Promise.all([exporter.collect(), collect?.() ?? []]);
      if (errors.length > 0) throw errors[0];
      const elsewhere = { scope: { name: serviceName }, metrics: collected.map(toMetricData) };
      return serializer.serialize({
        ...resourceMetrics,
        scopeMetrics: [...resourceMetrics.scopeMetrics, elsewhere],
      });
    },
    close: () => provider.shutdown(),
  };
}

function meterOptions(options: { readonly description: string; readonly unit?: string }) {
  return { description: options.description, ...(options.unit === undefined ? {} : { unit: options.unit }) };
}

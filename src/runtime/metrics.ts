// The metrics that rooms receive as a parameter. Attributes are bound once, outside the hot path: a record costs a field
// access and an addition, not a lookup by attribute set. OpenTelemetry stands behind it (telemetry.ts).

/** Attribute names and values of one series. Values come from a small fixed set, never from callers (cardinality). */
export type MetricAttributes = Readonly<Record<string, string>>;

export interface BoundCounter {
  add(value: number): void;
}

export interface BoundHistogram {
  /** In the unit that the histogram was made with. */
  record(value: number): void;
}

export interface MetricOptions {
  /** One sentence for the Prometheus HELP line. */
  readonly description: string;
  /** UCUM, for example "s", "By", "{certificate}". */
  readonly unit?: string;
  /** Histogram bucket bounds, in the unit. */
  readonly buckets?: readonly number[];
}

export interface Metrics {
  /** A count that only grows. `bind` once for each attribute set that will occur. */
  counter(name: string, options: MetricOptions): { bind(attributes?: MetricAttributes): BoundCounter };
  histogram(name: string, options: MetricOptions): { bind(attributes?: MetricAttributes): BoundHistogram };
  /** A value read when somebody asks for the metrics. */
  gauge(
    name: string,
    options: MetricOptions,
    read: () => readonly { value: number; attributes?: MetricAttributes }[],
  ): void;
}

/** One metric that was counted elsewhere (by other processes), with all its series at a moment. Names are as Metrics would take them. */
export type CollectedMetric = { readonly name: string; readonly options: MetricOptions } & (
  | {
      readonly kind: "counter" | "gauge";
      readonly points: readonly { readonly attributes: MetricAttributes; readonly value: number }[];
    }
  | {
      readonly kind: "histogram";
      readonly points: readonly {
        readonly attributes: MetricAttributes;
        /** One for each of the options' buckets, and one for what is above the last. */
        readonly counts: readonly number[];
        readonly sum: number;
      }[];
    }
);

/** Counts nothing. */
export const silentMetrics: Metrics = {
  counter: () => ({ bind: () => ({ add() {} }) }),
  histogram: () => ({ bind: () => ({ record() {} }) }),
  gauge() {},
};

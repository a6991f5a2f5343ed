// The numbers of one worker at a moment, as plain data that travels between processes (structured clone or JSON). The primary adds
// those of all workers up (merge.ts) and tells them as one page.
import type { MetricName } from "./catalogue.ts";

/** One series: the values of the metric's labels in the catalogue's order. */
export interface NumberSeries {
  readonly metric: MetricName;
  readonly labels: readonly string[];
  readonly value: number;
}

/** One series of a histogram: one count for each bucket, and one above the last bound. */
export interface HistogramSeries {
  readonly metric: MetricName;
  readonly labels: readonly string[];
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface MetricsSnapshot {
  /** Counts since the worker started: they only grow, and are kept when the worker ends. */
  readonly counters: readonly NumberSeries[];
  readonly histograms: readonly HistogramSeries[];
  /** What is open now: gone with the worker. */
  readonly gauges: readonly NumberSeries[];
}

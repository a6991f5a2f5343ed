// The numbers of all workers as one. Counts of a worker that has ended stay, so that no counter ever goes back; what it had open is gone.
// A worker that died counts with what it told last: what it counted after that is lost with it.
import type { HistogramSeries, MetricsSnapshot, NumberSeries } from "./snapshot.ts";

const NOTHING: MetricsSnapshot = { counters: [], histograms: [], gauges: [] };

export class MetricsTotals {
  readonly #workers = new Map<number, MetricsSnapshot>();
  readonly #gone = new Set<number>();
  #ended = NOTHING;

  /**
   * What a worker tells now: it replaces what it told before. What was still on its way when the worker ended counts for nothing.
   * @param worker a number that no other worker ever had
   */
  update(worker: number, snapshot: MetricsSnapshot): void {
    if (!this.#gone.has(worker)) this.#workers.set(worker, snapshot);
  }

  /** The worker has ended. */
  ended(worker: number): void {
    this.#gone.add(worker);
    const last = this.#workers.get(worker);
    if (last === undefined) return;
    this.#workers.delete(worker);
    this.#ended = mergeSnapshots([this.#ended, { ...last, gauges: [] }]);
  }

  total(): MetricsSnapshot {
    return mergeSnapshots([this.#ended, ...this.#workers.values()]);
  }
}

/** Adds the values of equal series. The order of snapshots never matters. */
export function mergeSnapshots(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const counters = new Map<string, NumberSeries>();
  const gauges = new Map<string, NumberSeries>();
  const histograms = new Map<string, HistogramSeries>();
  for (const snapshot of snapshots) {
    for (const series of snapshot.counters) addNumber(counters, series);
    for (const series of snapshot.gauges) addNumber(gauges, series);
    for (const series of snapshot.histograms) {
      const key = keyOf(series);
      const sum = histograms.get(key);
      histograms.set(key, sum === undefined ? series : addHistograms(sum, series));
    }
  }
  return { counters: [...counters.values()], histograms: [...histograms.values()], gauges: [...gauges.values()] };
}

function addNumber(sums: Map<string, NumberSeries>, series: NumberSeries): void {
  const key = keyOf(series);
  const sum = sums.get(key);
  sums.set(key, sum === undefined ? series : { ...series, value: sum.value + series.value });
}

function addHistograms(left: HistogramSeries, right: HistogramSeries): HistogramSeries {
  const counts = left.counts.map((count, index) => count + (right.counts[index] ?? 0));
  return { ...left, counts, sum: left.sum + right.sum };
}

function keyOf({ metric, labels }: NumberSeries | HistogramSeries): string {
  return JSON.stringify([metric, ...labels]);
}

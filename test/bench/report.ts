// The figures: their names and budgets (which are promises, and change only with a reason), the table for people, and which budgets
// were missed.

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** At most this (`least`: at least this); null: no budget. */
  readonly budget: number | null;
  readonly least?: true;
}

/** At least this, by name. */
export const leastBudgets: ReadonlyMap<string, number> = new Map([["proxy.bulk_ratio", 0.95]]);

/** At most this, by name. */
export const budgets: ReadonlyMap<string, number> = new Map([
  ["svid.node_cpu_floor_ratio", 3.4],
  ["svid.total_cpu_floor_ratio", 3.8],
  ["ledger.commit_p50_ms", 5],
  ["start.first_certificate_s", 2],
  ["memory.idle_mb", 120],
  ["memory.loaded_mb", 200],
  ["memory.growth_mb", 10],
  ["authority.import_max_latency_ms", 100],
  ["authority.rotate_max_latency_ms", 100],
  ["authority.change_failed_calls", 0],
  ["proxy.handshake_ratio", 1.15],
  ["proxy.l4_ratio", 1.15],
  ["proxy.http1_ratio", 0.75],
  ["proxy.http2_ratio", 1.25],
  ["proxy.added_p50_ms", 0.3],
  ["proxy.idle_kb_l4", 65],
  ["proxy.idle_kb_http", 60],
  ["proxy.growth_mb", 10],
  ["proxy.change_failed_calls", 0],
]);

export function figure(name: string, value: number, unit: string, options: { readonly budget?: null } = {}): Figure {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  const least = leastBudgets.get(name);
  const budget = options.budget === null ? null : (least ?? budgets.get(name) ?? null);
  return { name, value: Number(value.toFixed(digits)), unit, budget, ...(least === undefined ? {} : { least: true }) };
}

export function missed(figures: readonly Figure[]): Figure[] {
  return figures.filter((figure) => figure.budget !== null && !isKept(figure));
}

/** What a figure promises, in words; "" where it promises nothing. */
export function promise({ budget, least }: Figure): string {
  return budget === null ? "" : `${least ? "at least" : "at most"} ${budget}`;
}

function isKept({ value, budget, least }: Figure): boolean {
  return budget === null || (least ? value >= budget : value <= budget);
}

export function printTable(figures: readonly Figure[]): void {
  const rows = figures.map((figure) => [
    figure.name,
    `${figure.value} ${figure.unit}`,
    promise(figure),
    figure.budget === null ? "" : isKept(figure) ? "kept" : "MISSED",
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

/** What is under way, with minutes and seconds since the bench began. */
export function tell(sentence: string): void {
  const seconds = Math.floor(performance.now() / 1_000);
  console.log(`${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, "0")}  ${sentence}`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new TypeError("the median of nothing");
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

// The figures: their names and budgets (which are promises, and change only with a reason), the table for people, the JSON for
// machines, and which budgets were missed.
import { writeFileSync } from "node:fs";

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** At most this; null: no budget. */
  readonly budget: number | null;
}

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
]);

export function figure(name: string, value: number, unit: string, options: { readonly budget?: null } = {}): Figure {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const budget = options.budget === null ? null : (budgets.get(name) ?? null);
  return { name, value: Number(value.toFixed(digits)), unit, budget };
}

export function missed(figures: readonly Figure[]): Figure[] {
  return figures.filter(({ value, budget }) => budget !== null && !(value <= budget));
}

export function printTable(figures: readonly Figure[]): void {
  const rows = figures.map(({ name, value, unit, budget }) => [
    name,
    `${value} ${unit}`,
    budget === null ? "" : `at most ${budget}`,
    budget === null ? "" : value <= budget ? "kept" : "MISSED",
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

export function writeJson(
  file: string,
  machine: Readonly<Record<string, string | number>>,
  figures: readonly Figure[],
): void {
  writeFileSync(file, `${JSON.stringify({ machine, figures }, null, 2)}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new TypeError("the median of nothing");
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

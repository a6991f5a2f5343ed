// Reads a histogram from Prometheus text and takes a quantile of what was recorded between two readings.

/** Upper bound of each bucket (in the histogram's unit) to the count of everything at or below it. */
export type Buckets = ReadonlyMap<number, number>;

/** The buckets of one histogram, all its series added up. Throws where the text has none of that name. */
export function readHistogram(text: string, name: string): Buckets {
  const line = new RegExp(`^${name}_bucket\\{(?:[^}]*,)?le="([^"]+)"[^}]*\\} (\\S+)`, "gm");
  const buckets = new Map<number, number>();
  for (const [, bound = "", count = ""] of text.matchAll(line)) {
    const upper = bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound);
    buckets.set(upper, (buckets.get(upper) ?? 0) + Number(count));
  }
  if (buckets.size === 0) throw new Error(`the server's metrics have no histogram ${name}`);
  return buckets;
}

/** The quantile (0 to 1) of what came in between two readings, linear within its bucket. */
export function quantileBetween(before: Buckets, after: Buckets, quantile: number): number {
  const bounds = [...after.keys()].sort((a, b) => a - b);
  const counts = bounds.map((bound) => (after.get(bound) ?? 0) - (before.get(bound) ?? 0));
  const wanted = (counts.at(-1) ?? 0) * quantile;
  if (wanted <= 0) throw new Error("nothing was recorded between the two readings");
  const index = counts.findIndex((count) => count >= wanted);
  const upper = bounds[index] ?? Number.POSITIVE_INFINITY;
  const lower = bounds[index - 1] ?? 0;
  const below = counts[index - 1] ?? 0;
  const inside = (counts[index] ?? 0) - below;
  return Number.isFinite(upper) ? lower + ((upper - lower) * (wanted - below)) / inside : lower;
}

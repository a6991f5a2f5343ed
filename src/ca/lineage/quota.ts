// The quota of a lineage: a token bucket in its row, so that all replicas share it. Pure.

export interface QuotaSettings {
  /** Size of the bucket: certificates at once. */
  readonly burst: number;
  /** Refill: certificates an hour in the long run. */
  readonly perHour: number;
}

export interface QuotaState {
  /** Certificates that may still be issued as of `at`. */
  readonly left: number;
  /** Unix milliseconds. */
  readonly at: number;
}

export type QuotaDecision =
  | { readonly kind: "granted"; readonly state: QuotaState }
  | { readonly kind: "exceeded"; readonly retryAfterMs: number };

const HOUR_MS = 3_600_000;

/** A full bucket. */
export function fullQuota(settings: QuotaSettings, now: number): QuotaState {
  return { left: settings.burst, at: now };
}

/** Takes one certificate out of the bucket. A clock that went back neither fills nor empties it. */
export function takeQuota(settings: QuotaSettings, state: QuotaState, now: number): QuotaDecision {
  const elapsed = Math.max(0, now - state.at);
  const left = Math.min(settings.burst, state.left + (elapsed * settings.perHour) / HOUR_MS);
  if (left < 1) return { kind: "exceeded", retryAfterMs: Math.ceil(((1 - left) * HOUR_MS) / settings.perHour) };
  return { kind: "granted", state: { left: left - 1, at: Math.max(now, state.at) } };
}

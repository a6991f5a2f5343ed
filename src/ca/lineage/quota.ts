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
/** Replicas issue while their clocks are within 10 s of the database's: no honest bucket is further ahead than this. */
const AHEAD_MS = 60_000;

/** A full bucket. */
export function fullQuota(settings: QuotaSettings, now: number): QuotaState {
  return { left: settings.burst, at: now };
}

/**
 * Takes one certificate out of the bucket. A clock that went back neither fills nor empties it. A bucket whose time lies so far ahead
 * that only a wrong clock can have written it would not fill for years: it begins again at `now`, with one certificate, because what is
 * refused is not stored and so could never start the bucket's time anew.
 */
export function takeQuota(settings: QuotaSettings, state: QuotaState, now: number): QuotaDecision {
  const { burst, perHour } = settings;
  const wrong = state.at > now + AHEAD_MS;
  const at = wrong ? now : Math.max(now, state.at);
  const filled = wrong ? Math.max(1, state.left) : state.left + (Math.max(0, now - state.at) * perHour) / HOUR_MS;
  const left = Math.min(burst, filled);
  if (left < 1) return { kind: "exceeded", retryAfterMs: Math.ceil(((1 - left) * HOUR_MS) / perHour) + at - now };
  return { kind: "granted", state: { left: left - 1, at } };
}

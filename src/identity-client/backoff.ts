// How long to wait after a failure: exponential, jittered, and never longer than 150 s, so that a server that comes back is
// found soon and is not overrun by everybody at once.
import type { RandomSource } from "../runtime/index.ts";

const FIRST_MS = 1_000;
const CAP_MS = 150_000;
/** Attempts that the shortest lifetimes still leave room for between renew_at and expiry. */
const ATTEMPTS_IN_A_LIFETIME = 16;

/**
 * The wait before attempt `failures + 1`, in milliseconds: 1 s doubled with each failure, capped, times a random factor in [0.5, 1).
 * The cap is 150 s, or a sixteenth of the certificate's lifetime where that is shorter (never below 250 ms).
 */
export function backoffMs(failures: number, random: RandomSource, lifetimeMs = Number.POSITIVE_INFINITY): number {
  const cap = Math.max(250, Math.min(CAP_MS, lifetimeMs / ATTEMPTS_IN_A_LIFETIME));
  const exponent = Math.min(Math.max(failures, 1) - 1, 30);
  return Math.min(cap, FIRST_MS * 2 ** exponent) * (0.5 + randomFraction(random) / 2);
}

/** A number in [0, 1) from 32 random bits. */
export function randomFraction(random: RandomSource): number {
  const bytes = random.bytes(4);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32;
}

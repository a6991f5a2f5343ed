// When a certificate is to be renewed. The server chooses, so that a herd that was issued together does not come together.
import type { RandomSource } from "../../runtime/index.ts";

/** Renewals spread over this part of the lifetime, around its middle. */
const SPREAD = 0.1;

/**
 * About half the lifetime, jittered by a twentieth to each side, and never nearer than half the floor: certificates that
 * become ever shorter before an issuer's end must not be renewed ever faster. Unix milliseconds.
 */
export function chooseRenewAt(now: number, notAfter: number, minTtlSeconds: number, random: RandomSource): number {
  const [a = 0, b = 0] = random.bytes(2);
  const jitter = (a * 256 + b) / 65536;
  const share = 0.5 - SPREAD / 2 + SPREAD * jitter;
  return Math.round(now + Math.max((notAfter - now) * share, minTtlSeconds * 500));
}

// The settings of authorities and the arithmetic that decides whether a rotation can work at all
// (spec/enterprise-pki.md, "Timing"). Settings that will cause an outage are errors at start (invariant 4).
import { formatTime } from "../../runtime/index.ts";
import type { KeyAlgorithm } from "../keys/index.ts";
import { AuthorityError } from "./errors.ts";

/** All durations in seconds. */
export interface AuthoritySettings {
  /** Algorithm of new authority keys. */
  readonly keyAlgorithm: KeyAlgorithm;
  /** L: how long a new authority's certificate lives. */
  readonly lifetimeSeconds: number;
  /** How far notBefore lies in the past. */
  readonly clockSkewSeconds: number;
  /** l: the longest lifetime of a leaf. */
  readonly maxLeafTtlSeconds: number;
  /** The floor: nothing is issued that would live shorter. */
  readonly minLeafTtlSeconds: number;
  /** spiffe_refresh_hint: how often a consumer without a live stream refreshes. */
  readonly refreshHintSeconds: number;
  /** The least propagation time D; D = max(5 x refresh hint, this). */
  readonly propagationFloorSeconds: number;
  /** How often the rotator looks at the clock. */
  readonly rotatorTickSeconds: number;
  /** No authority is made or changes its state while this machine's clock and the database's differ by more (invariant 7). */
  readonly maxClockDifferenceSeconds: number;
}

/** What is not configured takes these. */
export const DEFAULT_AUTHORITY_SETTINGS: AuthoritySettings = {
  keyAlgorithm: "ec-p256",
  lifetimeSeconds: 604_800,
  clockSkewSeconds: 60,
  maxLeafTtlSeconds: 86_400,
  minLeafTtlSeconds: 600,
  refreshHintSeconds: 300,
  propagationFloorSeconds: 600,
  rotatorTickSeconds: 10,
  maxClockDifferenceSeconds: 10,
};

/** D: how long a new authority is published before it signs. Seconds. */
export function propagationSeconds(settings: AuthoritySettings): number {
  return Math.max(5 * settings.refreshHintSeconds, settings.propagationFloorSeconds);
}

/** Moments of an authority's life, Unix milliseconds. */
export interface RotationTimes {
  /** L/2: a successor is to be prepared. */
  readonly prepareAt: number;
  /** 5/6 L: the successor is to take over. */
  readonly activateAt: number;
}

/** When an authority with this validity is to get a successor, and when that takes over. */
export function rotationTimes(notBefore: number, notAfter: number): RotationTimes {
  const lifetime = notAfter - notBefore;
  return { prepareAt: notBefore + lifetime / 2, activateAt: notBefore + (lifetime * 5) / 6 };
}

/**
 * Checks that every rotation can be done without an outage: leaves signed just before the hand-over end before their
 * issuer does (l + 2 skew + tick <= L/6), and a successor prepared at L/2 is known everywhere by 5/6 L (D <= L/3).
 * @throws AuthorityError MCA_ROTATION_IMPOSSIBLE with the arithmetic
 */
export function checkRotationSettings(settings: AuthoritySettings): void {
  const { lifetimeSeconds, maxLeafTtlSeconds, minLeafTtlSeconds } = settings;
  for (const { arithmetic, leastSeconds, or } of problemsOf(settings, lifetimeSeconds)) {
    throw impossible(arithmetic, `Raise authority.lifetimeSeconds to at least ${leastSeconds}, or ${or}.`);
  }
  if (minLeafTtlSeconds > maxLeafTtlSeconds) {
    throw impossible(
      `the floor of leaf lifetimes (${minLeafTtlSeconds} s) is above their upper bound (${maxLeafTtlSeconds} s)`,
      "Lower issuance.minTtlSeconds or raise issuance.maxTtlSeconds.",
    );
  }
}

/**
 * The same for a certificate as it was signed: L is what is left until the earliest end of its path.
 * @param now and `endsAt` in Unix milliseconds
 * @throws AuthorityError MCA_ROTATION_IMPOSSIBLE with the arithmetic
 */
export function checkAuthorityLifetime(settings: AuthoritySettings, now: number, endsAt: number): void {
  // Times in certificates are whole seconds: one more, so that exactly enough is enough.
  const leftSeconds = Math.floor((endsAt - now) / 1000) + 1;
  for (const { arithmetic, leastSeconds, or } of problemsOf(settings, leftSeconds)) {
    throw impossible(
      `its path ends at ${formatTime(endsAt)}, and ${arithmetic}`,
      `Have every certificate of the path live at least ${leastSeconds} s (${days(leastSeconds)} days) from now on, or ${or}.`,
    );
  }
}

interface RotationProblem {
  readonly arithmetic: string;
  readonly leastSeconds: number;
  readonly or: string;
}

function problemsOf(settings: AuthoritySettings, lifetimeSeconds: number): readonly RotationProblem[] {
  const { maxLeafTtlSeconds, clockSkewSeconds, rotatorTickSeconds } = settings;
  const problems: RotationProblem[] = [];
  const leaf = maxLeafTtlSeconds + 2 * clockSkewSeconds + rotatorTickSeconds;
  if (leaf > lifetimeSeconds / 6) {
    problems.push({
      arithmetic: `leaf lifetime ${maxLeafTtlSeconds} s + 2 x clock skew ${clockSkewSeconds} s + rotator tick ${rotatorTickSeconds} s = ${leaf} s is more than a sixth of the authority's lifetime (${lifetimeSeconds} s / 6 = ${Math.floor(lifetimeSeconds / 6)} s)`,
      leastSeconds: leaf * 6,
      or: "lower issuance.maxTtlSeconds",
    });
  }
  const propagation = propagationSeconds(settings);
  if (propagation > lifetimeSeconds / 3) {
    problems.push({
      arithmetic: `the propagation time max(5 x refresh hint ${settings.refreshHintSeconds} s, floor ${settings.propagationFloorSeconds} s) = ${propagation} s is more than a third of the authority's lifetime (${lifetimeSeconds} s / 3 = ${Math.floor(lifetimeSeconds / 3)} s)`,
      leastSeconds: propagation * 3,
      or: "lower authority.refreshHintSeconds and authority.propagationFloorSeconds",
    });
  }
  return problems;
}

/** The shortest lifetime of an authority with which a rotation can be done by these settings, in seconds. */
export function leastLifetimeSeconds(settings: AuthoritySettings): number {
  return Math.max(...problemsOf(settings, 0).map(({ leastSeconds }) => leastSeconds));
}

/** Rounded up, with one digit: what somebody types into a CA must be enough. */
function days(seconds: number): number {
  return Math.ceil((seconds / 86_400) * 10) / 10;
}

function impossible(arithmetic: string, remedy: string): AuthorityError {
  return new AuthorityError(
    "MCA_ROTATION_IMPOSSIBLE",
    `This would end in an outage at a rotation: ${arithmetic}. ${remedy}`,
  );
}

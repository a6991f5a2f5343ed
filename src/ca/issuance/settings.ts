// The settings of issuance: the section `issuance` of the configuration.

/** Lifetimes of leaves and what clocks may do. All in seconds. */
export interface IssuanceSettings {
  /** Lifetime where nobody names one (the server's own certificate). */
  readonly defaultTtlSeconds: number;
  /** Upper bound of every lifetime. */
  readonly maxTtlSeconds: number;
  /** The floor: a certificate that would live shorter is refused. */
  readonly minTtlSeconds: number;
  /** How far notBefore lies in the past, for peers whose clocks are behind. */
  readonly clockSkewSeconds: number;
  /** Nothing is issued while this machine's clock and the database's differ by more (invariant 7). */
  readonly maxClockDifferenceSeconds: number;
}

/** What is not configured takes these. */
export const DEFAULT_ISSUANCE_SETTINGS: IssuanceSettings = {
  defaultTtlSeconds: 3600,
  maxTtlSeconds: 86_400,
  minTtlSeconds: 600,
  clockSkewSeconds: 60,
  maxClockDifferenceSeconds: 10,
};

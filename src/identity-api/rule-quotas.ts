// How many certificates each rule may earn on this replica: a token bucket for each rule, in memory. The lineage's own quota is
// kept in the ledger (src/ca/lineage).
import type { Clock } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";

export interface BucketSettings {
  /** How many at once. */
  readonly burst: number;
  /** How many an hour in the long run. */
  readonly perHour: number;
}

interface Bucket {
  left: number;
  asOf: number;
}

const HOUR_MS = 3_600_000;

export class RuleQuotas {
  readonly #settings: BucketSettings;
  readonly #clock: Clock;
  /** By rule name. Names come from the rules, so that their number is bounded. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(settings: BucketSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Takes one certificate from the rule's bucket. @throws ApiError MCA_RULE_QUOTA_EXCEEDED */
  take(rule: string): void {
    const now = this.#clock.now();
    const bucket = this.#buckets.get(rule);
    if (bucket === undefined) {
      this.#buckets.set(rule, { left: this.#settings.burst - 1, asOf: now });
      return;
    }
    const filled = (Math.max(0, now - bucket.asOf) / HOUR_MS) * this.#settings.perHour;
    bucket.left = Math.min(this.#settings.burst, bucket.left + filled);
    bucket.asOf = now;
    if (bucket.left < 1) {
      throw new ApiError(
        "MCA_RULE_QUOTA_EXCEEDED",
        `Rule "${rule}" has used up its quota on this replica (quotas.rule: ${this.#settings.perHour} an hour). Try again later, or raise it.`,
        { details: { rule } },
      );
    }
    bucket.left -= 1;
  }
}

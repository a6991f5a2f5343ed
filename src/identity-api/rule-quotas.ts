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

  /**
   * Takes one certificate from the rule's bucket. Returns how to give it back, once, where none was issued.
   * @throws ApiError MCA_RULE_QUOTA_EXCEEDED
   */
  take(rule: string): () => void {
    const { burst, perHour } = this.#settings;
    const now = this.#clock.now();
    const bucket = this.#buckets.get(rule) ?? { left: burst, asOf: now };
    this.#buckets.set(rule, bucket);
    const filled = (Math.max(0, now - bucket.asOf) / HOUR_MS) * perHour;
    bucket.left = Math.min(burst, bucket.left + filled);
    bucket.asOf = now;
    if (bucket.left < 1) {
      throw new ApiError(
        "MCA_RULE_QUOTA_EXCEEDED",
        `Rule "${rule}" has used up its quota on this replica (quotas.rule: ${perHour} an hour). Try again later, or raise it.`,
        { details: { rule } },
      );
    }
    bucket.left -= 1;
    return () => {
      bucket.left = Math.min(burst, bucket.left + 1);
    };
  }
}

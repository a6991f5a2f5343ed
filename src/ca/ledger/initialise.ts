// The first write into a fresh database: which trust domain it belongs to, and the head of an empty log. A database belongs to
// one trust domain for ever (invariant 2).
import type { Queryable } from "../store/index.ts";

export interface TrustDomainRecord {
  readonly trustDomain: string;
  readonly development: boolean;
  /** Origin of the log: `<trust domain>/mesh-ca/log/<region>/<epoch>`. */
  readonly origin: string;
}

/**
 * Writes the rows `trust_domain` and `ledger_head`. Then open the Ledger and append `trust-domain.initialised`.
 * @throws StoreError MCA_DATABASE_INITIALISED naming the trust domain that the database belongs to
 */
export function initialiseLedger(
  _database: Queryable,
  _options: {
    readonly trustDomain: string;
    readonly development: boolean;
    /** Unix milliseconds. */
    readonly createdAt: number;
    /** "default" if unset. */
    readonly region?: string;
  },
): Promise<TrustDomainRecord> {
  throw new TypeError("not yet");
}

/** Whose database is this? undefined: nobody's yet. */
export function trustDomainOf(_database: Queryable): Promise<TrustDomainRecord | undefined> {
  throw new TypeError("not yet");
}

// The first write into a fresh database: which trust domain it belongs to, and the head of an empty log. A database belongs to
// one trust domain for ever (invariant 2).
import { type Queryable, type SqlStatement, StoreError, sqlTime } from "../store/index.ts";

export interface TrustDomainRecord {
  readonly trustDomain: string;
  readonly development: boolean;
  /** Origin of the log: `<trust domain>/mesh-ca/log/<region>/<epoch>`. */
  readonly origin: string;
}

export interface InitialiseLedgerOptions {
  readonly trustDomain: string;
  readonly development: boolean;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** "default" if unset. */
  readonly region?: string;
}

const FIRST_EPOCH = 1;

const INSERT: SqlStatement = {
  name: "trust_domain_insert",
  text: `
WITH domain AS (
  INSERT INTO trust_domain (name, development, created_at) VALUES ($1, $2, $3::timestamptz) ON CONFLICT DO NOTHING RETURNING 1
), head AS (
  INSERT INTO ledger_head (origin, size) SELECT $4, 0 FROM domain RETURNING 1
)
SELECT count(*) AS created FROM head`,
};

const READ: SqlStatement = {
  name: "trust_domain_read",
  text: "SELECT name, development, origin FROM trust_domain CROSS JOIN ledger_head",
};

/**
 * Writes the rows `trust_domain` and `ledger_head`. Then open the Ledger and append `trust-domain.initialised`.
 * @throws StoreError MCA_DATABASE_INITIALISED naming the trust domain that the database belongs to
 */
export async function initialiseLedger(
  database: Queryable,
  options: InitialiseLedgerOptions,
): Promise<TrustDomainRecord> {
  const { trustDomain, development, createdAt, region = "default" } = options;
  const origin = `${trustDomain}/mesh-ca/log/${region}/${FIRST_EPOCH}`;
  const [row] = await database.query<{ created: bigint }>(INSERT, [
    trustDomain,
    development,
    sqlTime(createdAt),
    origin,
  ]);
  if (row?.created === 1n) return { trustDomain, development, origin };
  const present = await trustDomainOf(database);
  throw new StoreError(
    "MCA_DATABASE_INITIALISED",
    `This database already belongs to the trust domain ${present?.trustDomain ?? "of another init"}. Start its server, or give a new trust domain an empty database.`,
    present === undefined ? {} : { details: { trustDomain: present.trustDomain } },
  );
}

/** Whose database is this? undefined: nobody's yet. */
export async function trustDomainOf(database: Queryable): Promise<TrustDomainRecord | undefined> {
  const [row] = await database.query<{ name: string; development: boolean; origin: string }>(READ);
  return row === undefined ? undefined : { trustDomain: row.name, development: row.development, origin: row.origin };
}

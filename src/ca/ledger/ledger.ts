// The ledger: every identity is recorded before it is signed (spec/ledger.md). This file joins the committer, the lineages and the
// administrative changes; each of them is a file of its own.
import { type Clock, type Logger, type Metrics, silentMetrics } from "../../runtime/index.ts";
import { toHex } from "../../x509/index.ts";
import type { Lineage } from "../lineage/lineage.ts";
import { Lineages } from "../lineage/lineages.ts";
import { type Database, type Queryable, type SqlStatement, StoreError, sqlTime } from "../store/index.ts";
import { transact } from "./administrative.ts";
import type { Written } from "./attempt.ts";
import {
  getIssuance,
  type IssuanceKey,
  type IssuancePage,
  type IssuanceQuery,
  type IssuanceRecord,
  listIssuances,
} from "./audit/index.ts";
import { Committer } from "./committer.ts";
import type { AdministrativeEntry } from "./entry.ts";
import { LedgerError } from "./errors.ts";
import { trustDomainOf } from "./initialise.ts";
import type { CommitResult, Intent, IntentFields, OutcomeReport } from "./intent.ts";
import type { LogTip } from "./log-tip.ts";

export interface Quota {
  /** How many at once. */
  readonly burst: number;
  /** How many an hour in the long run. */
  readonly perHour: number;
}

export interface LedgerOptions {
  /** With role mesh_ca_app. */
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Renewals per lineage; {burst: 20, perHour: 60} if unset. */
  readonly lineageQuota?: Quota;
  /** Intents that may wait for a commit; 4,096 if unset. */
  readonly maxQueued?: number;
  /** How long an intent may wait for its commit, milliseconds; 10,000 if unset. */
  readonly commitTimeoutMs?: number;
}

export interface LedgerTransaction extends Queryable {
  /**
   * Adds an entry; answers its log index, which holds once the transaction has committed.
   * @throws LedgerError MCA_ENTRY_INVALID, MCA_ENTRY_TOO_LARGE
   */
  append(entry: AdministrativeEntry): bigint;
}

export interface LedgerHealth {
  readonly writable: boolean;
  /** Size of the log as of the last commit of this process. */
  readonly size: bigint;
  /** Intents waiting. */
  readonly queued: number;
  /** Why not writable, one sentence. */
  readonly reason: string | undefined;
}

const DEFAULT_QUOTA: Quota = { burst: 20, perHour: 60 };
const DEFAULT_MAX_QUEUED = 4_096;
const DEFAULT_COMMIT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 10_000;

const HEAD_MATCHES: SqlStatement = {
  name: "ledger_head_matches",
  text: `
SELECT size, (SELECT leaf_hash FROM ledger_entry WHERE log_index = size - 1) AS last_leaf,
       EXISTS (SELECT 1 FROM ledger_entry WHERE log_index >= size) AS has_more
FROM ledger_head`,
};
interface HeadRow {
  readonly size: bigint;
  readonly last_leaf: Uint8Array | null;
  readonly has_more: boolean;
}
const FREEZE: SqlStatement = {
  name: "lineage_freeze",
  text: "UPDATE lineage SET frozen_at = $2::timestamptz, frozen_cause = $3 WHERE id = $1 AND frozen_at IS NULL RETURNING spiffe_id",
};
const EXISTS: SqlStatement = { name: "lineage_exists", text: "SELECT 1 AS found FROM lineage WHERE id = $1" };

/** One per process. Writes through one connection of its own; several processes take turns by the head's row lock. */
export class Ledger {
  readonly lineages: Lineages;
  readonly #database: Database;
  readonly #committer: Committer;
  #closing: Promise<void> | undefined;

  private constructor(options: LedgerOptions, tip: LogTip) {
    const { database, clock, logger, metrics = silentMetrics } = options;
    this.#database = database;
    const frozen = metrics
      .counter("mesh_ca_lineages_frozen", { description: "Lineages frozen because two holders were seen" })
      .bind();
    this.#committer = new Committer({
      database,
      clock,
      logger,
      metrics,
      tip,
      lineageQuota: options.lineageQuota ?? DEFAULT_QUOTA,
      maxQueued: options.maxQueued ?? DEFAULT_MAX_QUEUED,
      commitTimeoutMs: options.commitTimeoutMs ?? DEFAULT_COMMIT_TIMEOUT_MS,
      onRecorded: (written) => {
        this.#rememberLineages(written);
        for (const { lineage, cause, fields } of written.plan.freezes) {
          frozen.add(1);
          const { spiffeId, requester, requesterAddress, requestId } = fields;
          logger.error(
            { event: "lineage.frozen", alarm: true, lineage, cause, spiffeId, requester, requesterAddress, requestId },
            "ALARM: two holders of one identity; its renewals are stopped",
          );
        }
      },
    });
    this.lineages = new Lineages({
      database,
      markUsed: (serial) => this.#committer.markUsed(serial),
      freeze: (id, { cause, requester }) =>
        this.transact(async (tx) => {
          const now = clock.now();
          const [row] = await tx.query<{ spiffe_id: string }>(FREEZE, [id, sqlTime(now), cause]);
          if (row !== undefined) {
            tx.append({ kind: "lineage.frozen", time: now, lineage: id, spiffeId: row.spiffe_id, cause, requester });
          } else if ((await tx.query(EXISTS, [id])).length === 0) {
            throw new LedgerError("MCA_NOT_FOUND", `There is no lineage ${id}.`);
          }
        }),
    });
  }

  /**
   * @throws StoreError MCA_DATABASE_NOT_INITIALISED when `initialiseLedger` has not run; MCA_DATABASE_UNAVAILABLE.
   * @throws LedgerError MCA_LEDGER_CORRUPT when the head and the entries do not match
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    if ((await trustDomainOf(options.database)) === undefined) {
      throw new StoreError(
        "MCA_DATABASE_NOT_INITIALISED",
        "This database belongs to no trust domain yet. Run npx mesh-ca init once, or name the right database.",
      );
    }
    const [head] = await options.database.query<HeadRow>(HEAD_MATCHES);
    if (head === undefined || (head.size > 0n && head.last_leaf === null) || head.has_more) {
      throw new LedgerError(
        "MCA_LEDGER_CORRUPT",
        "The ledger's head does not match its entries: the database was restored or changed by hand. Nothing is issued; restore it whole from a backup.",
      );
    }
    const ledger = new Ledger(options, { size: head.size, leafHash: head.last_leaf ?? undefined });
    await ledger.#committer.open();
    return ledger;
  }

  /**
   * Records the intent durably. Many intents share one transaction; one that is refused never harms the others.
   * @throws LedgerError MCA_LEDGER_UNAVAILABLE, MCA_LEDGER_OVERLOADED, MCA_ENTRY_*, MCA_RULE_CHANGED, MCA_LINEAGE_*, MCA_TOKEN_*,
   *   MCA_QUOTA_EXCEEDED, MCA_SERIAL_COLLISION. After any of them nothing may be signed.
   */
  commit(intent: Intent): Promise<CommitResult> {
    return this.#committer.commit(intent);
  }

  /**
   * An administrative change under the head lock: what `run` queries and appends commits as one, or not at all. Be quick in it:
   * no issuance commits meanwhile.
   */
  async transact<T>(run: (tx: LedgerTransaction) => Promise<T>): Promise<T> {
    const { value, tip } = await transact(this.#database, this.#committer.tip, run);
    if (tip !== undefined) this.#committer.moved(tip);
    return value;
  }

  /** How the signature of a committed intent ended. Recorded with the next batch, within a second. @throws TypeError the second time */
  reportOutcome(outcome: OutcomeReport): void {
    this.#committer.report(outcome);
  }

  /** The outcome that waits for its batch, if any: so that a replay can be answered before it is recorded. */
  pendingOutcome(logIndex: bigint): OutcomeReport | undefined {
    return this.#committer.pendingOutcome(logIndex);
  }

  /** @throws LedgerError MCA_QUERY_INVALID */
  listIssuances(query: IssuanceQuery): Promise<IssuancePage> {
    return listIssuances(this.#database, query);
  }

  /** @throws LedgerError MCA_NOT_FOUND, MCA_LEDGER_CORRUPT */
  getIssuance(key: IssuanceKey): Promise<IssuanceRecord> {
    return getIssuance(this.#database, key);
  }

  health(): LedgerHealth {
    return this.#committer.health();
  }

  /** Commits what waits, then ends. The database stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#committer.close(CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  #rememberLineages({ plan }: Written): void {
    for (const [id, { fields, state }] of plan.opened)
      this.lineages.remember({ serial: state.currentSerial, spkiSha256: state.currentSpki }, openedLineage(id, fields));
    for (const { fields } of plan.issuances) {
      if (fields.lineage.kind !== "renew") continue;
      const lineage = this.lineages.known(fields.lineage.presentedSerial);
      const { spkiSha256 } = fields;
      if (lineage !== undefined) this.lineages.remember({ serial: toHex(fields.serial), spkiSha256 }, lineage);
    }
  }
}

function openedLineage(id: string, fields: IntentFields): Lineage {
  return {
    id,
    spiffeId: fields.spiffeId,
    rule: fields.rule?.name ?? "",
    attestor: fields.attestor ?? "",
    attributes: fields.attributes,
    openedAt: fields.issuedAt,
  };
}

// The ledger: every identity is recorded before it is signed (spec/ledger.md).
import type { Clock, Logger, Metrics } from "../../runtime/index.ts";
import type { Lineages } from "../lineage/index.ts";
import type { Database, Queryable } from "../store/index.ts";
import type { AdministrativeEntry } from "./entry.ts";
import type { CommitResult, Intent, OutcomeReport } from "./intent.ts";

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
  /** Adds an entry; answers its log index, which holds once the transaction has committed. */
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

/** One per process. Writes through one connection of its own; several processes take turns by the head's row lock. */
export class Ledger {
  readonly lineages: Lineages;

  private constructor(lineages: Lineages) {
    this.lineages = lineages;
  }

  /** @throws StoreError MCA_DATABASE_NOT_INITIALISED when `initialiseLedger` has not run; MCA_DATABASE_UNAVAILABLE */
  static open(_options: LedgerOptions): Promise<Ledger> {
    throw new TypeError("not yet");
  }

  /**
   * Records the intent durably. Many intents share one transaction; one that is refused never harms the others.
   * @throws LedgerError MCA_LEDGER_UNAVAILABLE, MCA_LEDGER_OVERLOADED, MCA_ENTRY_*, MCA_RULE_CHANGED, MCA_LINEAGE_*, MCA_TOKEN_*, MCA_QUOTA_EXCEEDED, MCA_SERIAL_COLLISION
   */
  commit(_intent: Intent): Promise<CommitResult> {
    throw new TypeError("not yet");
  }

  /** An administrative change under the head lock: what `run` queries and appends commits as one, or not at all. */
  transact<T>(_run: (tx: LedgerTransaction) => Promise<T>): Promise<T> {
    throw new TypeError("not yet");
  }

  /** How the signature of a committed intent ended. Recorded with the next batch, within a second. */
  reportOutcome(_outcome: OutcomeReport): void {
    throw new TypeError("not yet");
  }

  /** The outcome that waits for its batch, if any: so that a replay can be answered before it is recorded. */
  pendingOutcome(_logIndex: bigint): OutcomeReport | undefined {
    throw new TypeError("not yet");
  }

  health(): LedgerHealth {
    throw new TypeError("not yet");
  }

  /** Commits what waits, then ends. */
  close(): Promise<void> {
    throw new TypeError("not yet");
  }
}

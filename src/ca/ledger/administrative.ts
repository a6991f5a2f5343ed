// Administrative changes: under the head lock, so that no commit sees half of one, and together with the entries that record
// them. They take turns with the committer by the same row lock.
import { formatTime } from "../../runtime/index.ts";
import { byteaArray } from "../store/binary-array.ts";
import type { Database, SqlStatement, SqlValue, Transaction } from "../store/index.ts";
import { isConnectionLoss } from "../store/pg-errors.ts";
import { LOCK_HEAD } from "./batch-read.ts";
import { type EncodedEntry, encodeEntry } from "./canonical.ts";
import type { AdministrativeEntry } from "./entry.ts";
import { checkEntry } from "./entry-schema.ts";
import { LedgerError } from "./errors.ts";
import type { LedgerTransaction } from "./ledger.ts";
import { type LogTip, requireGrown } from "./log-tip.ts";

const APPEND: SqlStatement = {
  name: "ledger_append",
  text: `
WITH entry AS (
  INSERT INTO ledger_entry (log_index, leaf_hash, bytes)
  SELECT generate_series($1::bigint, $2::bigint - 1), unnest($3::bytea[]), unnest($4::bytea[])
)
SELECT ledger_advance($1::bigint, $2::bigint)`,
};
const LEAF_AT: SqlStatement = {
  name: "ledger_leaf_at",
  text: "SELECT leaf_hash FROM ledger_entry, ledger_lock_head() WHERE log_index = $1::bigint",
};

export interface AdministrativeResult<T> {
  readonly value: T;
  /** The log afterwards, where something was appended. */
  readonly tip: LogTip | undefined;
}

/**
 * Runs `run` under the head lock. A COMMIT whose answer is lost is looked up in the log before anyone is told.
 * @param tip the log as this process last saw it
 */
export async function transact<T>(
  database: Database,
  tip: LogTip,
  run: (tx: LedgerTransaction) => Promise<T>,
): Promise<AdministrativeResult<T>> {
  let attempt: Attempt<T> | undefined;
  try {
    return await database.transaction(async (tx) => {
      const [head] = await tx.query<{ size: bigint | null }>(LOCK_HEAD);
      if (head?.size == null)
        throw new LedgerError(
          "MCA_LEDGER_CORRUPT",
          "The ledger has no head row. Run npx mesh-ca init, or restore the database from a backup.",
        );
      requireGrown(head.size, tip);
      const entries = new Entries(head.size);
      const value = await run({
        query: (statement, values) => tx.query(statement, values),
        append: (entry) => entries.append(entry),
      });
      await entries.write(tx);
      attempt = { value, entries };
      return { value, tip: entries.tip };
    });
  } catch (error) {
    if (attempt === undefined || !isConnectionLoss(error)) throw error;
    if (await attempt.entries.areRecorded(database)) return { value: attempt.value, tip: attempt.entries.tip };
    throw new LedgerError(
      "MCA_LEDGER_UNAVAILABLE",
      "The database was lost while the change was committed, and the change was not made. Try again.",
      { cause: error },
    );
  }
}

interface Attempt<T> {
  readonly value: T;
  readonly entries: Entries;
}

class Entries {
  readonly #from: bigint;
  readonly #entries: EncodedEntry[] = [];
  #written = false;

  constructor(from: bigint) {
    this.#from = from;
  }

  get size(): bigint {
    return this.#from + BigInt(this.#entries.length);
  }

  get tip(): LogTip | undefined {
    const last = this.#entries.at(-1);
    return last === undefined ? undefined : { size: this.size, leafHash: last.leafHash };
  }

  append(entry: AdministrativeEntry): bigint {
    if (this.#written) throw new TypeError("the ledger transaction has ended");
    const index = this.size;
    const fields = { ...entry, v: 1, time: formatTime(entry.time) };
    checkEntry(fields);
    this.#entries.push(encodeEntry(fields));
    return index;
  }

  async write(tx: Transaction): Promise<void> {
    this.#written = true;
    if (this.#entries.length === 0) return;
    const values: SqlValue[] = [
      this.#from,
      this.size,
      byteaArray(this.#entries, ({ leafHash }) => leafHash),
      byteaArray(this.#entries, ({ bytes }) => bytes),
    ];
    await tx.query(APPEND, values);
  }

  /** Waits for the old transaction by the head lock, then looks. Entries hold a time and ids: no two are alike at one index. */
  async areRecorded(database: Database): Promise<boolean> {
    const [first] = this.#entries;
    if (first === undefined) return false;
    return database.transaction(async (tx) => {
      await tx.query(LOCK_HEAD);
      const [row] = await tx.query<{ leaf_hash: Uint8Array }>(LEAF_AT, [this.#from]);
      return row !== undefined && Buffer.compare(row.leaf_hash, first.leafHash) === 0;
    });
  }
}

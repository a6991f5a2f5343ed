// The newest end of the log that this process has seen committed. A log that is shorter, or that holds another entry there, is
// not the log of before: a backup was restored, or a standby took over that lacked records. Nothing is added to it, because an
// index would be given out twice. Where it is kept over a restart is not here.
import { toHex } from "../../x509/index.ts";
import type { SqlStatement } from "../store/index.ts";
import type { Pipeline } from "../store/pipeline.ts";
import { LedgerError } from "./errors.ts";

export interface LogTip {
  /** Entries in the log. */
  readonly size: bigint;
  /** Of the last of them; undefined in an empty log. */
  readonly leafHash: Uint8Array | undefined;
}

const LEAF_AT: SqlStatement = {
  name: "ledger_tip_leaf",
  text: "SELECT leaf_hash FROM ledger_entry WHERE log_index = $1::bigint",
};

/** `size` was read under the head lock. @throws LedgerError MCA_LEDGER_CORRUPT when the log is shorter than it was */
export function requireGrown(size: bigint, tip: LogTip): void {
  if (size < tip.size) throw anotherLog(`it has ${size} entries, and is shorter than it was: ${tip.size}`);
}

/** Looks on a new connection whether this is still the log of before. @throws LedgerError MCA_LEDGER_CORRUPT, StoreError */
export async function requireSameLog(pipeline: Pipeline, tip: LogTip): Promise<void> {
  if (tip.leafHash === undefined) return;
  const { rows } = await pipeline.send(LEAF_AT, [(tip.size - 1n).toString()]);
  const stored = rows[0]?.[0];
  if (stored === undefined) throw anotherLog(`it is shorter than it was: ${tip.size} entries`);
  if (stored !== `\\x${toHex(tip.leafHash)}`) throw anotherLog(`its entry ${tip.size - 1n} is another one than before`);
}

function anotherLog(found: string): LedgerError {
  return new LedgerError(
    "MCA_LEDGER_CORRUPT",
    `The ledger in the database is not the one that this server has written to: ${found}. Records are lost; nothing is issued until you have found out which (restore the newest database, or audit what is missing) and started the server again.`,
  );
}

// What became of a COMMIT whose answer was lost, or that came with a warning? Not committed, until the head has been read back
// from the primary: the head lock waits for the old transaction to end, whatever its end, and then the log tells.
import { toHex } from "../../x509/index.ts";
import type { SqlStatement } from "../store/index.ts";
import type { Pipeline } from "../store/pipeline.ts";
import { BEGIN, LOCK_HEAD } from "./batch-read.ts";

const LEAF_AT: SqlStatement = {
  name: "ledger_leaf_at",
  text: "SELECT leaf_hash FROM ledger_entry WHERE log_index = $1::bigint",
};
const ROLLBACK: SqlStatement = { name: "", text: "ROLLBACK" };

/** Is the entry with this leaf hash at this index? Each batch begins with an entry that no other batch has. */
export async function isRecorded(pipeline: Pipeline, logIndex: bigint, leafHash: Uint8Array): Promise<boolean> {
  const [, , leaf] = await pipeline.together(() =>
    Promise.all([
      pipeline.send(BEGIN),
      pipeline.send(LOCK_HEAD),
      pipeline.send(LEAF_AT, [logIndex.toString()]),
      pipeline.send(ROLLBACK),
    ]),
  );
  const stored = leaf.rows[0]?.[0];
  return stored === `\\x${toHex(leafHash)}`;
}

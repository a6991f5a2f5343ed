// What became of a COMMIT whose answer was lost, or that came with a warning? Not committed, until the head has been read back
// from the primary: the head lock waits for the old transaction to end, whatever its end, and then the log tells. The lock is
// itself a write, so that the COMMIT at the end waits for whatever the old one should have waited for (a synchronous standby).
import { toHex } from "../../x509/index.ts";
import { type SqlStatement, StoreError } from "../store/index.ts";
import type { Pipeline } from "../store/pipeline.ts";
import { BEGIN, LOCK_HEAD } from "./batch-read.ts";

const LEAF_AT: SqlStatement = {
  name: "ledger_leaf_at",
  text: "SELECT leaf_hash FROM ledger_entry WHERE log_index = $1::bigint",
};
const END: SqlStatement = { name: "", text: "COMMIT" };

/**
 * Is the entry with this leaf hash at this index, and durable? Each batch begins with an entry that no other batch has.
 * @throws StoreError when that is still not known
 */
export async function isRecorded(pipeline: Pipeline, logIndex: bigint, leafHash: Uint8Array): Promise<boolean> {
  pipeline.takeWarnings();
  const [, , leaf, end] = await pipeline.together(() =>
    Promise.all([
      pipeline.send(BEGIN),
      pipeline.send(LOCK_HEAD),
      pipeline.send(LEAF_AT, [logIndex.toString()]),
      pipeline.send(END),
    ]),
  );
  const warnings = pipeline.takeWarnings();
  if (end.command !== "COMMIT" || warnings.length > 0) {
    const said = [end.command, ...warnings].join("; ");
    throw new StoreError("MCA_DATABASE_UNAVAILABLE", `The log was read back, and may not be durable: ${said}`);
  }
  const stored = leaf.rows[0]?.[0];
  return stored === `\\x${toHex(leafHash)}`;
}

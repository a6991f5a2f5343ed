// The end of an authority: unpublished and recorded as removed, then its key is destroyed, then that is recorded. In that
// order, so that a crash leaves a key too many and never a published authority whose key is gone in silence.
import type { Clock } from "../../runtime/index.ts";
import type { KeyStore } from "../keys/index.ts";
import type { Ledger } from "../ledger/index.ts";
import { type Change, recordKeyDestroyed, recordState } from "./journal.ts";
import type { AuthorityRecord } from "./records.ts";
import { isPublished } from "./state.ts";
import { changeTrust } from "./trust-journal.ts";

export interface ClearAwayDependencies {
  readonly ledger: Ledger;
  readonly keyStore: KeyStore;
  readonly clock: Clock;
}

/**
 * Removes an authority; one that is removed already only loses the key that a crash left.
 * @throws AuthorityError MCA_AUTHORITY_TRANSITION from a state that does not end so
 */
export async function clearAway(
  dependencies: ClearAwayDependencies,
  record: AuthorityRecord,
  cause: string,
): Promise<void> {
  const { ledger, keyStore, clock } = dependencies;
  const change = (): Change => ({ spkiSha256: record.spkiSha256, replica: record.replica, now: clock.now(), cause });
  if (record.state !== "removed") {
    await ledger.transact(async (tx) => {
      const remove = (): Promise<void> => recordState(tx, change(), "removed");
      if (isPublished(record.state)) await changeTrust(tx, clock.now(), remove);
      else await remove();
    });
  }
  const was = await keyStore.destroy(record.spkiSha256);
  await ledger.transact((tx) => recordKeyDestroyed(tx, change(), was));
}

// Taint and revocation of an authority. Tainted: everything under it is to be renewed now, and verifiers still accept it, so that the
// mesh gets away from it without an outage. Revoked: nobody accepts it, and its key is destroyed. An active authority is given up
// for a prepared one in the same transaction, or not at all.
import type { LedgerTransaction } from "../ledger/index.ts";
import { sqlTime } from "../store/index.ts";
import { succeed } from "./activate.ts";
import {
  type ChangeContext,
  changeOf,
  hindranceOf,
  noSuccessor,
  requireKnown,
  requirePropagated,
  requireState,
  requireUsable,
  successorOf,
} from "./changes.ts";
import { clearAway } from "./clear-away.ts";
import { enterpriseRequest } from "./enterprise-request.ts";
import { recordRevoked, recordTainted } from "./journal.ts";
import type { AuthorityRecord } from "./records.ts";
import { COUNT_LIVING_IDENTITIES } from "./statements.ts";
import { changeTrust } from "./trust-journal.ts";

export interface TaintOptions {
  readonly cause: string;
  /** Over how long the holders of its leaves spread their renewals. Default: by how many there are. */
  readonly spreadSeconds?: number;
  /** The successor signs although not every client knows it; join tokens that were made before are void. */
  readonly emergency?: boolean;
}

export interface RevokeOptions {
  readonly cause: string;
  readonly emergency?: boolean;
}

export interface Revoked {
  /** Its key is on the list of distrusted ones: its chain leads to a root that stays. */
  readonly distrusted: boolean;
  /** What to ask the enterprise CA, where one signed it. */
  readonly enterpriseRequest?: string;
}

/** Renewals that this server takes on a second without being late for anybody else. */
const RENEWALS_PER_SECOND = 100;
const MIN_SPREAD_SECONDS = 10;

/** See AuthorityManager.taint. */
export async function taintAuthority(context: ChangeContext, spkiSha256: string, options: TaintOptions): Promise<void> {
  const record = requireKnown(context, spkiSha256);
  requireState(record, "tainted", "prepared", "active", "retired");
  const renewSpreadSeconds = await spreadOf(context, options.spreadSeconds);
  await giveUp(context, record, options, (tx) =>
    recordTainted(tx, changeOf(context, record, options.cause), { renewSpreadSeconds }),
  );
}

/** See AuthorityManager.revoke. */
export async function revokeAuthority(
  context: ChangeContext,
  spkiSha256: string,
  options: RevokeOptions,
): Promise<Revoked> {
  const record = requireKnown(context, spkiSha256);
  requireState(record, "revoked", "prepared", "active", "retired", "tainted");
  const { issued } = record;
  if (issued === undefined) throw new TypeError("a published authority has a certificate");
  const distrusted = !issued.selfSigned;
  const renewSpreadSeconds = await spreadOf(context, undefined);
  await giveUp(context, record, options, async (tx) => {
    const change = changeOf(context, record, options.cause);
    if (record.state !== "tainted") await recordTainted(tx, change, { renewSpreadSeconds });
    await recordRevoked(tx, change, distrusted);
  });
  // Only who holds the key can destroy it: on another replica its rotator does.
  if (record.replica === context.options.replica) {
    await clearAway(context.options, { ...record, state: "revoked" }, options.cause);
  }
  return distrusted ? { distrusted, enterpriseRequest: enterpriseRequest(issued) } : { distrusted };
}

/** Records what becomes of an authority; an active one is succeeded in the same transaction. */
async function giveUp(
  context: ChangeContext,
  record: AuthorityRecord,
  options: { readonly cause: string; readonly emergency?: boolean },
  leave: (tx: LedgerTransaction) => Promise<void>,
): Promise<void> {
  const { ledger, clock, replica } = context.options;
  const alone = (): Promise<void> => ledger.transact((tx) => changeTrust(tx, clock.now(), () => leave(tx)));
  if (record.state !== "active") return await alone();
  const successor = successorOf(context, record.replica);
  if (successor === undefined) {
    // Another replica's, whose host is lost or taken: the mesh goes on under ours.
    const elsewhere = record.replica !== replica && hindranceOf(context) === undefined;
    if (elsewhere && options.emergency === true) return await alone();
    throw noSuccessor(
      context,
      elsewhere
        ? `Replica ${record.replica} has no prepared authority that would take over from ${record.spkiSha256}, and could issue nothing: add --emergency if that is what is wanted.`
        : `The active authority ${record.spkiSha256} has no prepared one that could take over: without it nothing could be issued.`,
    );
  }
  if (options.emergency !== true) requirePropagated(context, successor);
  if (successor.replica === replica) await requireUsable(context, successor);
  await succeed(context, successor, options, leave);
}

/** About as long as it takes to renew everybody; at most half of a leaf's life, so that nobody expires while waiting. Seconds. */
export async function spreadOf({ options }: ChangeContext, wanted: number | undefined): Promise<number> {
  const most = Math.floor(options.settings.maxLeafTtlSeconds / 2);
  if (wanted !== undefined) {
    if (!Number.isInteger(wanted) || wanted < 0) throw new TypeError("a spread is a whole number of seconds");
    return Math.min(wanted, most);
  }
  const [row] = await options.database.query<{ living: bigint }>(COUNT_LIVING_IDENTITIES, [
    sqlTime(options.clock.now()),
  ]);
  return Math.min(Math.max(Math.ceil(Number(row?.living ?? 0n) / RENEWALS_PER_SECOND), MIN_SPREAD_SECONDS), most);
}

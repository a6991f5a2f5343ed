// One authority takes over from another. Issuances in flight end under the old one, new ones wait for the new one; what becomes of
// the old one (retired, tainted, revoked) is in the same transaction.
import type { LedgerTransaction } from "../ledger/index.ts";
import {
  type ChangeContext,
  changeOf,
  ownRecords,
  requireOwn,
  requirePropagated,
  requireState,
  requireUsable,
} from "./changes.ts";
import { recordActivated, recordState } from "./journal.ts";
import type { AuthorityRecord } from "./records.ts";
import { changeTrust } from "./trust-journal.ts";

export interface ActivateOptions {
  readonly cause: string;
  /** Without waiting until every client knows it; join tokens that were made before are void. */
  readonly emergency?: boolean;
}

/** Lets a prepared authority sign from now on; the present one retires. */
export async function activateAuthority(
  context: ChangeContext,
  spkiSha256: string,
  options: ActivateOptions,
): Promise<void> {
  const successor = requireOwn(context, spkiSha256);
  requireState(successor, "activated", "prepared");
  if (options.emergency !== true) requirePropagated(context, successor);
  await requireUsable(context, successor);
  const present = ownRecords(context).find(({ state }) => state === "active");
  await succeed(context, successor, options, async (tx) => {
    if (present !== undefined) await recordState(tx, changeOf(context, present, options.cause), "retired");
  });
}

/** Hands over to `successor`; `leave` records what becomes of the present authority, in the same transaction. */
export async function succeed(
  context: ChangeContext,
  successor: AuthorityRecord,
  { cause, emergency = false }: ActivateOptions,
  leave: (tx: LedgerTransaction) => Promise<void>,
): Promise<void> {
  const { ledger, clock } = context.options;
  await context.handOver(() =>
    ledger.transact((tx) =>
      changeTrust(tx, clock.now(), async () => {
        await leave(tx);
        await recordActivated(tx, changeOf(context, successor, cause), emergency);
      }),
    ),
  );
}

// What may be trusted, as stored: its revision, and the sequence of the bundle. Every change of an authority that clients have to
// learn of runs inside `changeTrust`, under the head lock, so that no two changes count as one and the sequence only grows.
import { fromHex } from "../../x509/index.ts";
import type { LedgerTransaction } from "../ledger/index.ts";
import { AuthorityError } from "./errors.ts";
import {
  ADVANCE_TRUST_STATE,
  INSERT_TRUST_STATE,
  NOTIFY_TRUST,
  SELECT_ANCHORS,
  TRUST_CHANNEL,
  UPDATE_PRUNED,
  UPDATE_REFRESH_HINT,
  UPDATE_UNPRUNED,
} from "./statements.ts";

/** Runs a change, and advances the revision of trust; the bundle's sequence too, if other anchors are in it afterwards. */
export async function changeTrust(tx: LedgerTransaction, now: number, run: () => Promise<void>): Promise<void> {
  const before = await anchorsOf(tx);
  await run();
  const after = await anchorsOf(tx);
  await advance(tx, now, before !== after);
}

/** The first trust of a trust domain. Refused by the database where there is one. */
export async function beginTrust(tx: LedgerTransaction, refreshHintSeconds: number): Promise<void> {
  await tx.query(INSERT_TRUST_STATE, [refreshHintSeconds]);
  await tx.query(NOTIFY_TRUST, [TRUST_CHANNEL, "1"]);
}

/** The bundle tells another refresh hint: that is another content, and so another sequence. */
export async function publishHint(tx: LedgerTransaction, now: number, refreshHintSeconds: number): Promise<void> {
  // Another replica may have been faster.
  const changed = await tx.query(UPDATE_REFRESH_HINT, [refreshHintSeconds]);
  if (changed.length > 0) await advance(tx, now, true);
}

export interface PrunedRoot {
  /** SHA-256 of the certificate, lower-case hex. */
  readonly anchor: string;
  readonly subject: string;
  readonly now: number;
  readonly cause: string;
}

/** An upstream root leaves the bundle for good. */
export async function recordPruned(tx: LedgerTransaction, { anchor, subject, now, cause }: PrunedRoot): Promise<void> {
  tx.append({ kind: "bundle.pruned", time: now, anchor, subject, cause });
  await tx.query(UPDATE_PRUNED, [fromHex(anchor)]);
}

/** An operator brings a pruned root back, with an authority under it. */
export async function unprune(tx: LedgerTransaction, anchor: string): Promise<void> {
  await tx.query(UPDATE_UNPRUNED, [fromHex(anchor)]);
}

async function anchorsOf(tx: LedgerTransaction): Promise<string> {
  const [row] = await tx.query<{ anchors: string }>(SELECT_ANCHORS);
  return row?.anchors ?? "";
}

async function advance(tx: LedgerTransaction, now: number, bundleChanged: boolean): Promise<void> {
  const [row] = await tx.query<{ revision: bigint; bundle_sequence: bigint }>(ADVANCE_TRUST_STATE, [
    bundleChanged ? 1 : 0,
  ]);
  if (row === undefined) {
    throw new AuthorityError("MCA_AUTHORITY_MISSING", "This database was never initialised: run: npx mesh-ca init");
  }
  const revision = `${row.revision}`;
  if (bundleChanged) tx.append({ kind: "bundle.changed", time: now, sequence: `${row.bundle_sequence}`, revision });
  await tx.query(NOTIFY_TRUST, [TRUST_CHANNEL, revision]);
}

// Changes of an authority, each in one ledger transaction: the entry that tells of it, the row, and the row of the transition.
// Only these functions write authority rows. What follows for the trust that is published: trust-journal.ts.
import { fromHex } from "../../x509/index.ts";
import type { LedgerTransaction } from "../ledger/index.ts";
import { sqlTime } from "../store/index.ts";
import type { AcceptedAuthority } from "../upstream/index.ts";
import { AuthorityError } from "./errors.ts";
import { parseState } from "./records.ts";
import { type AuthorityState, mayBecome } from "./state.ts";
import {
  INSERT_AUTHORITY,
  INSERT_TRANSITION,
  SELECT_PRUNED,
  SELECT_STATE,
  UPDATE_CERTIFICATE,
  UPDATE_CSR,
  UPDATE_DISTRUSTED,
  UPDATE_KEY_DESTROYED,
  UPDATE_SCHEDULED,
  UPDATE_STATE,
  UPDATE_TAINT,
  VOID_TOKENS,
} from "./statements.ts";

/** What a change is about. */
export interface Change {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  readonly replica: number;
  /** Unix milliseconds. */
  readonly now: number;
  /** Why, for people: "rotation", "init", "operator". */
  readonly cause: string;
}

/** A new authority: records what its own key is about to sign, before it does. */
export async function recordRequested(
  tx: LedgerTransaction,
  change: Change,
  request: { readonly upstream: string; readonly bytes: Uint8Array },
): Promise<void> {
  const { spkiSha256, replica, now } = change;
  const logIndex = tx.append({
    kind: "authority.requested",
    ...entryOf(change),
    upstream: request.upstream,
    tbs: Buffer.from(request.bytes).toString("base64"),
  });
  await tx.query(INSERT_AUTHORITY, [fromHex(spkiSha256), replica, request.upstream, sqlTime(now)]);
  await writeTransition(tx, change, null, "requested", logIndex);
}

/** The certificate was accepted: published from now on. */
export async function recordPrepared(
  tx: LedgerTransaction,
  change: Change,
  accepted: AcceptedAuthority,
): Promise<void> {
  const { spkiSha256 } = change;
  const { certificate, intermediates, anchor } = accepted;
  const from = await requireTransition(tx, spkiSha256, "prepared");
  await requireInBundle(tx, anchor.sha256);
  const logIndex = tx.append({ kind: "authority.prepared", ...entryOf(change), ...chainOf(accepted) });
  await tx.query(UPDATE_CERTIFICATE, [
    fromHex(spkiSha256),
    certificate.der,
    intermediates.map(({ der }) => der),
    anchor.der,
    sqlTime(certificate.notBefore),
    sqlTime(certificate.notAfter),
  ]);
  await moveTo(tx, change, from, "prepared", logIndex);
}

/** The certification request that is to be carried to the upstream: stored once it is signed. */
export async function storeCsr(tx: LedgerTransaction, spkiSha256: string, csr: Uint8Array): Promise<void> {
  await tx.query(UPDATE_CSR, [fromHex(spkiSha256), csr]);
}

/** People brought the certificate. Goes before the entry of what follows from it. */
export function recordImported(tx: LedgerTransaction, change: Change, accepted: AcceptedAuthority): void {
  tx.append({ kind: "authority.imported", ...entryOf(change), ...chainOf(accepted) });
}

/** It stopped signing, or never began; or it is gone. */
export async function recordState(tx: LedgerTransaction, change: Change, to: "retired" | "removed"): Promise<void> {
  const from = await requireTransition(tx, change.spkiSha256, to);
  const logIndex = tx.append({ kind: `authority.${to}`, ...entryOf(change) });
  await moveTo(tx, change, from, to, logIndex);
}

/** It signs from now on. In an emergency not every client knows it: join tokens that were made before are void. */
export async function recordActivated(tx: LedgerTransaction, change: Change, emergency: boolean): Promise<void> {
  const from = await requireTransition(tx, change.spkiSha256, "active");
  const voided = emergency ? await tx.query(VOID_TOKENS, [sqlTime(change.now)]) : [];
  const logIndex = tx.append({
    kind: "authority.activated",
    ...entryOf(change),
    ...(emergency ? { emergency, voidedTokens: `${voided.length}` } : {}),
  });
  await moveTo(tx, change, from, "active", logIndex);
}

/** It is to sign as soon as every client knows it. */
export async function recordScheduled(tx: LedgerTransaction, change: Change): Promise<void> {
  await requireTransition(tx, change.spkiSha256, "active");
  tx.append({ kind: "authority.scheduled", ...entryOf(change) });
  await tx.query(UPDATE_SCHEDULED, [fromHex(change.spkiSha256)]);
}

export interface Taint {
  readonly renewSpreadSeconds: number;
  /** Where the upstream revoked its chain: which certificate, and who says so. */
  readonly upstreamRevocation?: string | undefined;
}

/** Everything under it is to be renewed now. */
export async function recordTainted(tx: LedgerTransaction, change: Change, taint: Taint): Promise<void> {
  const { renewSpreadSeconds, upstreamRevocation } = taint;
  const from = await requireTransition(tx, change.spkiSha256, "tainted");
  const logIndex = tx.append({
    kind: "authority.tainted",
    ...entryOf(change),
    renewSpreadSeconds: `${renewSpreadSeconds}`,
    ...(upstreamRevocation === undefined ? {} : { upstreamRevocation }),
  });
  await tx.query(UPDATE_TAINT, [fromHex(change.spkiSha256), renewSpreadSeconds, upstreamRevocation ?? null]);
  await moveTo(tx, change, from, "tainted", logIndex);
}

/** It is trusted no longer. `distrust`: its key too, wherever a chain has it. */
export async function recordRevoked(tx: LedgerTransaction, change: Change, distrust: boolean): Promise<void> {
  const from = await requireTransition(tx, change.spkiSha256, "revoked");
  const logIndex = tx.append({ kind: "authority.revoked", ...entryOf(change), distrusted: distrust });
  if (distrust) await tx.query(UPDATE_DISTRUSTED, [fromHex(change.spkiSha256)]);
  await moveTo(tx, change, from, "revoked", logIndex);
}

/** The private key is gone for good. Told once, unless there `was` a key again, which somebody had put back. */
export async function recordKeyDestroyed(tx: LedgerTransaction, change: Change, was: boolean): Promise<void> {
  const { spkiSha256, replica, now } = change;
  const first = await tx.query(UPDATE_KEY_DESTROYED, [fromHex(spkiSha256), sqlTime(now)]);
  if (first.length === 0 && !was) return;
  tx.append({ kind: "authority.key-destroyed", time: now, authority: spkiSha256, replica });
}

/** Another replica may have taken the root out of the bundle since this certificate was judged: nobody could verify under it. */
async function requireInBundle(tx: LedgerTransaction, anchor: string): Promise<void> {
  if ((await tx.query(SELECT_PRUNED, [fromHex(anchor)])).length === 0) return;
  throw new AuthorityError(
    "MCA_ANCHOR_UNKNOWN",
    `The root ${anchor} was taken out of the bundle meanwhile. Have the authority signed under another root, or bring this one back: --recover`,
    { details: { anchor } },
  );
}

async function requireTransition(
  tx: LedgerTransaction,
  spkiSha256: string,
  to: AuthorityState,
): Promise<AuthorityState> {
  const [row] = await tx.query<{ state: string; replica: number }>(SELECT_STATE, [fromHex(spkiSha256)]);
  if (row === undefined) {
    throw new AuthorityError("MCA_AUTHORITY_UNKNOWN", `There is no authority ${spkiSha256} in this database.`);
  }
  const from = parseState(row.state);
  if (!mayBecome(from, to)) {
    throw new AuthorityError(
      "MCA_AUTHORITY_TRANSITION",
      `The authority ${spkiSha256} is ${from} and cannot become ${to}.`,
      { details: { authority: spkiSha256, found: from, expected: `a state that leads to ${to}` } },
    );
  }
  return from;
}

async function moveTo(
  tx: LedgerTransaction,
  change: Change,
  from: AuthorityState,
  to: AuthorityState,
  logIndex: bigint,
): Promise<void> {
  await tx.query(UPDATE_STATE, [fromHex(change.spkiSha256), to]);
  await writeTransition(tx, change, from, to, logIndex);
}

function entryOf({ spkiSha256, replica, now, cause }: Change) {
  return { time: now, authority: spkiSha256, replica, cause };
}

function chainOf({ certificate, intermediates, anchor }: AcceptedAuthority) {
  return {
    certificate: base64(certificate.der),
    intermediates: intermediates.map(({ der }) => base64(der)),
    anchor: base64(anchor.der),
  };
}

async function writeTransition(
  tx: LedgerTransaction,
  change: Change,
  from: AuthorityState | null,
  to: AuthorityState,
  logIndex: bigint,
): Promise<void> {
  await tx.query(INSERT_TRANSITION, [
    fromHex(change.spkiSha256),
    from,
    to,
    change.cause,
    sqlTime(change.now),
    logIndex,
  ]);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

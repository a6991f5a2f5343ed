// Changes of an authority, each in one ledger transaction: the entry that tells of it, the row, the row of the transition,
// and the new revision of trust. Only these functions write authority rows.
import { fromHex } from "../../x509/index.ts";
import type { LedgerTransaction } from "../ledger/index.ts";
import { sqlTime } from "../store/index.ts";
import type { AcceptedAuthority } from "../upstream/index.ts";
import { AuthorityError } from "./errors.ts";
import {
  ADVANCE_TRUST_STATE,
  INSERT_AUTHORITY,
  INSERT_TRANSITION,
  NOTIFY_TRUST,
  parseState,
  SELECT_STATE,
  TRUST_CHANNEL,
  UPDATE_CERTIFICATE,
  UPDATE_STATE,
} from "./records.ts";
import { type AuthorityState, mayBecome } from "./state.ts";

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
  const { spkiSha256, replica, now, cause } = change;
  const logIndex = tx.append({
    kind: "authority.requested",
    time: now,
    authority: spkiSha256,
    replica,
    cause,
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
  const { spkiSha256, replica, now, cause } = change;
  const { certificate, intermediates, anchor } = accepted;
  const from = await requireTransition(tx, spkiSha256, "prepared");
  const logIndex = tx.append({
    kind: "authority.prepared",
    time: now,
    authority: spkiSha256,
    replica,
    cause,
    certificate: base64(certificate.der),
    intermediates: intermediates.map(({ der }) => base64(der)),
    anchor: base64(anchor.der),
  });
  await tx.query(UPDATE_CERTIFICATE, [
    fromHex(spkiSha256),
    certificate.der,
    intermediates.map(({ der }) => der),
    anchor.der,
    sqlTime(certificate.notBefore),
    sqlTime(certificate.notAfter),
  ]);
  await tx.query(UPDATE_STATE, [fromHex(spkiSha256), "prepared"]);
  await writeTransition(tx, change, from, "prepared", logIndex);
}

const ENTRY_KINDS = {
  active: "authority.activated",
  retired: "authority.retired",
  removed: "authority.removed",
} as const;

/** A change of state that needs nothing but itself. */
export async function recordState(tx: LedgerTransaction, change: Change, to: keyof typeof ENTRY_KINDS): Promise<void> {
  const { spkiSha256, replica, now, cause } = change;
  const from = await requireTransition(tx, spkiSha256, to);
  const logIndex = tx.append({ kind: ENTRY_KINDS[to], time: now, authority: spkiSha256, replica, cause });
  await tx.query(UPDATE_STATE, [fromHex(spkiSha256), to]);
  await writeTransition(tx, change, from, to, logIndex);
}

/** The private key is gone for good. */
export function recordKeyDestroyed(tx: LedgerTransaction, change: Change): void {
  const { spkiSha256, replica, now } = change;
  tx.append({ kind: "authority.key-destroyed", time: now, authority: spkiSha256, replica });
}

/** What clients may trust has changed. `bundle`: whether the anchors have. */
export async function advanceTrust(tx: LedgerTransaction, now: number, changed: { bundle: boolean }): Promise<bigint> {
  const [row] = await tx.query<{ revision: bigint; bundle_sequence: bigint }>(ADVANCE_TRUST_STATE, [
    changed.bundle ? 1 : 0,
  ]);
  if (row === undefined) {
    throw new AuthorityError("MCA_AUTHORITY_MISSING", "This database was never initialised: run: npx mesh-ca init");
  }
  const revision = row.revision;
  if (changed.bundle) {
    tx.append({ kind: "bundle.changed", time: now, sequence: `${row.bundle_sequence}`, revision: `${revision}` });
  }
  await tx.query(NOTIFY_TRUST, [TRUST_CHANNEL, `${revision}`]);
  return revision;
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

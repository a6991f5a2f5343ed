// What a renewal means for its lineage. Pure: the ledger calls it under the head lock, with the state as it is there.
//
//   presented certificate   current used?   key asked for             decision
//   ---------------------   -------------   -----------------------   -----------------------------------------------
//   (lineage frozen)        -               -                         refused
//   current                 -               current's, answer young   replay: the answer was lost, give it again
//   current                 -               any other                 child; the current one becomes the parent, used
//   parent                  no              current's, answer young   replay
//   parent                  no              any other                 child; the unused current one is superseded
//   parent                  yes             -                         freeze: two holders
//   any other               -               -                         freeze: a superseded or old certificate came back
//
// "Answer young": in the first third of the recorded certificate's life. Later, the same key again is an ordinary renewal,
// so that a client that never changes its key does not run into expiry. A replay whose record was never signed (a crash
// between commit and sign) comes back as `replacing` and becomes a child.
import type { LineageState } from "./lineage.ts";

/** Why a lineage freezes; recorded in the entry `lineage.frozen`. */
export type FreezeCause = "parent-after-child-was-used" | "superseded-certificate-presented";

export interface RenewalAttempt {
  /** The certificate by which the caller counts as authenticated, lower-case hex. */
  readonly presentedSerial: string;
  /** SHA-256 of the SubjectPublicKeyInfo of the CSR, lower-case hex. */
  readonly spkiSha256: string;
  /** The caller was told to replay this index and found that it was never signed. */
  readonly replacing?: bigint | undefined;
  /** Unix milliseconds. */
  readonly now: number;
}

export type LineageDecision =
  /** Record a new current certificate, whose parent is `parentSerial`. */
  | { readonly kind: "child"; readonly parentSerial: string }
  /** Answer what is recorded at this index. */
  | { readonly kind: "replay"; readonly logIndex: bigint }
  | { readonly kind: "freeze"; readonly cause: FreezeCause }
  | { readonly kind: "frozen" };

/** Part of a certificate's life in which the same key again is a retry of a lost answer. */
const REPLAY_SHARE = 1 / 3;

/** Decides one renewal. The table above is the whole rule. */
export function decideRenewal(state: LineageState, attempt: RenewalAttempt): LineageDecision {
  if (state.frozen) return { kind: "frozen" };
  if (attempt.presentedSerial === state.currentSerial) {
    return isRetry(state, attempt)
      ? { kind: "replay", logIndex: state.currentIndex }
      : { kind: "child", parentSerial: state.currentSerial };
  }
  if (attempt.presentedSerial !== state.parentSerial) {
    return { kind: "freeze", cause: "superseded-certificate-presented" };
  }
  if (state.currentUsed) return { kind: "freeze", cause: "parent-after-child-was-used" };
  return isRetry(state, attempt)
    ? { kind: "replay", logIndex: state.currentIndex }
    : { kind: "child", parentSerial: state.parentSerial };
}

/** Whether the attempt repeats the request that the current certificate answered. Enrolment by a token asks this too. */
export function isRetry(
  state: Pick<LineageState, "currentSpki" | "currentIndex" | "currentIssuedAt" | "currentNotAfter">,
  attempt: Pick<RenewalAttempt, "spkiSha256" | "replacing" | "now">,
): boolean {
  if (attempt.spkiSha256 !== state.currentSpki || attempt.replacing === state.currentIndex) return false;
  const age = attempt.now - state.currentIssuedAt;
  return age < (state.currentNotAfter - state.currentIssuedAt) * REPLAY_SHARE;
}

/** The state after a child was recorded. */
export function withChild(
  parentSerial: string | undefined,
  child: {
    readonly serial: string;
    readonly spkiSha256: string;
    readonly logIndex: bigint;
    readonly issuedAt: number;
    readonly notAfter: number;
  },
): LineageState {
  return {
    frozen: false,
    currentSerial: child.serial,
    currentSpki: child.spkiSha256,
    currentIndex: child.logIndex,
    currentUsed: false,
    currentIssuedAt: child.issuedAt,
    currentNotAfter: child.notAfter,
    parentSerial,
  };
}

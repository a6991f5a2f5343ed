// From a verified answer to what it means for a certificate, by its age. Pure. The rules:
//   - a revocation counts whatever the answer's age, because it is final (RFC 5280 section 5.3.1) ...
//   - ... but for certificateHold, which may be taken back: that counts from a current answer only
//   - "good" counts from a current answer only
//   - an answer older than one that was already seen is a replay (or a mirror that lags): its "good" changes nothing
import { formatTime } from "../../runtime/index.ts";
import type { SourceState } from "./types.ts";

/** What a verified answer says of its own age. */
export interface Marks {
  /** Unix milliseconds. */
  readonly thisUpdate: number;
  /** Undefined: nothing is said; it counts as current for a day. */
  readonly nextUpdate: number | undefined;
  /** Of CRLs. */
  readonly number: bigint | undefined;
  /** OCSP: the answer repeats our nonce, so that it is as new as the question. */
  readonly fresh: boolean;
}

/** What a verified answer says of one certificate. */
export type Finding =
  | { readonly kind: "good" }
  | { readonly kind: "revoked"; readonly revokedAt: number; readonly reason: string }
  | { readonly kind: "unusable"; readonly why: string };

/** What is known of one certificate from one address. */
export interface Verdict {
  readonly state: SourceState;
  readonly sentence: string;
  readonly revocation?: { readonly revokedAt: number; readonly reason: string };
}

export type Age = "current" | "expired" | "future" | "replayed";

/** Clocks of an enterprise differ; minutes do no harm here. */
const CLOCK_SKEW_MS = 300_000;
const UNDATED_MS = 86_400_000;

/** When an answer ceases to be current, Unix milliseconds. */
export function endOf({ thisUpdate, nextUpdate }: Marks): number {
  return (nextUpdate ?? thisUpdate + UNDATED_MS) + CLOCK_SKEW_MS;
}

/** How old an answer is. `newest`: the newest current one that was seen from the same address. */
export function ageOf(marks: Marks, newest: Marks | undefined, now: number): Age {
  if (marks.thisUpdate > now + CLOCK_SKEW_MS) return "future";
  // Once the newest has expired itself, its number binds nobody: a CA restored from a backup may count anew.
  if (newest !== undefined && endOf(newest) >= now && isOlder(marks, newest)) return "replayed";
  if (endOf(marks) < now && !(marks.fresh && marks.nextUpdate === undefined)) return "expired";
  return "current";
}

function isOlder(marks: Marks, newest: Marks): boolean {
  if (marks.thisUpdate < newest.thisUpdate) return true;
  return marks.number !== undefined && newest.number !== undefined && marks.number < newest.number;
}

/** Weighs a finding. `what` names the answer: "CRL", "OCSP response". */
export function weigh(what: string, finding: Finding, marks: Marks, age: Age, newest: Marks | undefined): Verdict {
  if (finding.kind === "unusable") return { state: "unusable", sentence: finding.why };
  if (finding.kind === "revoked" && (age === "current" || finding.reason !== "certificateHold")) {
    const { revokedAt, reason } = finding;
    return {
      state: "revoked",
      sentence: `The ${what} of ${formatTime(marks.thisUpdate)} says that it was revoked at ${formatTime(revokedAt)} (${reason}).`,
      revocation: { revokedAt, reason },
    };
  }
  const says = finding.kind === "revoked" ? "; it says that the certificate is on hold" : "";
  switch (age) {
    case "current":
      return {
        state: "good",
        sentence: `The ${what} of ${formatTime(marks.thisUpdate)}${numbered(marks)} does not revoke it.`,
      };
    case "expired":
      return {
        state: "stale",
        sentence: `The ${what} of ${formatTime(marks.thisUpdate)} was to be replaced by ${formatTime(endOf(marks) - CLOCK_SKEW_MS)}${says}. Publish a new one. Nothing is known of revocations since.`,
      };
    case "future":
      return {
        state: "stale",
        sentence: `The ${what} is dated ${formatTime(marks.thisUpdate)}, in the future${says}. Compare the clocks of this server and of the CA.`,
      };
    case "replayed":
      return {
        state: "stale",
        sentence: `The ${what} of ${formatTime(marks.thisUpdate)}${numbered(marks)} is older than one that was already seen (${newest === undefined ? "" : formatTime(newest.thisUpdate)}${newest === undefined ? "" : numbered(newest)})${says}. Somebody on the way repeats an old one, or a mirror lags behind. The newer one counts.`,
      };
  }
}

function numbered({ number }: Marks): string {
  return number === undefined ? "" : `, number ${number}`;
}

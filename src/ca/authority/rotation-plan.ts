// What the clock says is due for the authorities of one replica (spec/enterprise-pki.md, "Timing"). Pure. Distribute, then sign, then
// clean up: that order, always.
import { type AuthorityRecord, endOfPath } from "./records.ts";
import { type AuthoritySettings, propagationSeconds, rotationTimes } from "./settings.ts";

/** What is due now. One thing at a time: the next look finds the next. */
export type RotationStep =
  | { readonly kind: "nothing" }
  | { readonly kind: "prepare" }
  /** People sign: make the request for them. */
  | { readonly kind: "request" }
  | { readonly kind: "activate"; readonly spkiSha256: string }
  /** A prepared one that will never be of use. */
  | { readonly kind: "give-up"; readonly spkiSha256: string; readonly cause: string }
  /** A tainted one under which nothing valid is left. */
  | { readonly kind: "revoke"; readonly spkiSha256: string; readonly cause: string }
  /** A retired one, if really nothing valid is left under it. */
  | { readonly kind: "clear"; readonly spkiSha256: string; readonly cause: string }
  /** Its key goes whatever is left under it: nobody accepts that any more. */
  | { readonly kind: "destroy"; readonly spkiSha256: string; readonly cause: string }
  /** Past 5/6 L and nobody to take over: leaves get shorter from here on. */
  | { readonly kind: "overdue"; readonly endsAt: number };

/** What the plan depends on beside the authorities. */
export interface RotationSituation {
  /** Whether the active authority is healthy: only then it gets a successor by itself (invariant 2). */
  readonly ready: boolean;
  /** Unix milliseconds. */
  readonly now: number;
  readonly settings: AuthoritySettings;
  /** Whether the upstream answers within a call; else people sign. */
  readonly answersAtOnce: boolean;
}

const OVER = "the last certificate under it has expired";

/** Decides what is due. `own`: the authorities of this replica, oldest first. */
export function nextStep(own: readonly AuthorityRecord[], situation: RotationSituation): readonly RotationStep[] {
  const steps = [...succession(own, situation), ...cleaning(own, situation)];
  return steps.length === 0 ? [{ kind: "nothing" }] : steps;
}

function* succession(own: readonly AuthorityRecord[], situation: RotationSituation): Iterable<RotationStep> {
  const { ready, now, answersAtOnce } = situation;
  const active = own.find(({ state }) => state === "active");
  const successor = successorIn(own, situation);
  const known = successor !== undefined && isKnown(successor, situation);
  // An operator has asked for it, whatever has become of the present one.
  if (known && successor.activateWhenPropagated) {
    yield { kind: "activate", spkiSha256: successor.spkiSha256 };
    return;
  }
  if (!ready || active?.issued === undefined) return;
  const endsAt = endOfPath(active.issued);
  const { prepareAt, activateAt } = rotationTimes(active.issued.certificate.notBefore, endsAt);
  if (now >= activateAt)
    yield known ? { kind: "activate", spkiSha256: successor.spkiSha256 } : { kind: "overdue", endsAt };
  if (now < prepareAt || successor !== undefined) return;
  if (answersAtOnce) yield { kind: "prepare" };
  else if (!own.some(({ state, csr }) => state === "requested" && csr !== undefined)) yield { kind: "request" };
}

function* cleaning(own: readonly AuthorityRecord[], situation: RotationSituation): Iterable<RotationStep> {
  const { now, settings, ready } = situation;
  const lastLeafMs = (settings.maxLeafTtlSeconds + settings.clockSkewSeconds) * 1000;
  const successor = successorIn(own, situation);
  for (const record of own) {
    const { state, spkiSha256, retiredAt, taintedAt, issued } = record;
    if (state === "revoked") yield { kind: "destroy", spkiSha256, cause: "it was revoked" };
    // Where nothing can be issued, the clock may be what is wrong. Nobody is served by an end that is told early: what is over has
    // expired for everybody.
    if (issued === undefined || !ready) continue;
    const isOver = now > Math.min((retiredAt ?? taintedAt ?? now) + lastLeafMs, endOfPath(issued));
    if (state === "prepared" && hasEnded(record, situation)) {
      yield { kind: "give-up", spkiSha256, cause: "it ended before it was needed" };
    } else if (
      state === "prepared" &&
      successor !== undefined &&
      isKnown(successor, situation) &&
      own.indexOf(record) < own.indexOf(successor)
    ) {
      yield { kind: "give-up", spkiSha256, cause: "a newer one was prepared" };
    } else if (state === "retired" && isOver) {
      yield { kind: "clear", spkiSha256, cause: OVER };
    } else if (state === "tainted" && isOver) {
      yield { kind: "revoke", spkiSha256, cause: OVER };
    }
  }
}

/** The newest that every client knows; if there is none, the newest. */
function successorIn(own: readonly AuthorityRecord[], situation: RotationSituation): AuthorityRecord | undefined {
  const candidates = own.filter((each) => each.state === "prepared" && isOfUse(each, situation));
  return candidates.findLast((each) => isKnown(each, situation)) ?? candidates.at(-1);
}

function isKnown({ preparedAt }: AuthorityRecord, { now, settings }: RotationSituation): boolean {
  return preparedAt !== undefined && now >= preparedAt + propagationSeconds(settings) * 1000;
}

/** Whether a prepared authority could take over. One of a time to come was made under a clock that was set back since. */
function isOfUse(record: AuthorityRecord, situation: RotationSituation): boolean {
  const { issued } = record;
  return issued !== undefined && issued.certificate.notBefore <= situation.now && !hasEnded(record, situation);
}

/** Whether it can issue nothing any more. */
function hasEnded({ issued }: AuthorityRecord, { now, settings }: RotationSituation): boolean {
  return issued === undefined || endOfPath(issued) - now < settings.minLeafTtlSeconds * 1000;
}

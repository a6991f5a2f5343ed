// What every change of an authority asks first: whose it is, in which state, whether the present one is healthy, whether every
// client knows a successor, whether it could sign. The changes themselves are a file each.
import { formatTime } from "../../runtime/index.ts";
import { AuthorityError } from "./errors.ts";
import type { Change } from "./journal.ts";
import type { ProvisionDependencies } from "./provision.ts";
import { type AuthorityRecord, endOfPath } from "./records.ts";
import { propagationSeconds } from "./settings.ts";
import {
  findStanding,
  type Hindrance,
  hindranceAt,
  hindranceError,
  recoveryCommand,
  requireReady,
} from "./standing.ts";
import type { AuthorityState } from "./state.ts";
import type { AuthorityView } from "./view.ts";

/** What changes are made with. */
export interface ChangeContext {
  readonly options: ProvisionDependencies;
  readonly view: AuthorityView;
  /** Lets issuances in flight end, keeps new ones waiting, and runs what changes the authority that signs. */
  handOver(run: () => Promise<void>): Promise<void>;
}

/** What an operator has to say explicitly, because the rotator must never do it by itself (invariant 2). */
export interface SuccessionOptions {
  /** Although the present authority has expired, is revoked or missing. */
  readonly recovery?: boolean;
  /** Although the present authority comes from another upstream. */
  readonly changeUpstream?: boolean;
}

export function changeOf({ options }: ChangeContext, record: AuthorityRecord, cause: string): Change {
  return { spkiSha256: record.spkiSha256, replica: record.replica, now: options.clock.now(), cause };
}

/** Authorities of this replica, oldest first. */
export function ownRecords({ options, view }: ChangeContext): readonly AuthorityRecord[] {
  return view.records.filter(({ replica }) => replica === options.replica);
}

/** @throws AuthorityError MCA_AUTHORITY_UNKNOWN */
export function requireKnown({ view }: ChangeContext, spkiSha256: string): AuthorityRecord {
  const record = view.records.find((each) => each.spkiSha256 === spkiSha256);
  if (record !== undefined) return record;
  throw new AuthorityError("MCA_AUTHORITY_UNKNOWN", `There is no authority ${spkiSha256}: npx mesh-ca authority list`);
}

/** @throws AuthorityError MCA_AUTHORITY_UNKNOWN also where another replica holds its key */
export function requireOwn(context: ChangeContext, spkiSha256: string): AuthorityRecord {
  const record = requireKnown(context, spkiSha256);
  const { replica } = context.options;
  if (record.replica === replica) return record;
  throw new AuthorityError(
    "MCA_AUTHORITY_UNKNOWN",
    `Replica ${replica} has no authority ${spkiSha256}: its key is with replica ${record.replica}. Only the replica that holds a key can use it.`,
  );
}

/** @throws AuthorityError MCA_AUTHORITY_TRANSITION */
export function requireState(record: AuthorityRecord, to: string, ...from: readonly AuthorityState[]): void {
  if (from.includes(record.state)) return;
  throw new AuthorityError(
    "MCA_AUTHORITY_TRANSITION",
    `The authority ${record.spkiSha256} is ${record.state} since ${formatTime(record.since)} and cannot be ${to}.`,
    { details: { authority: record.spkiSha256, found: record.state, expected: from.join(" or ") } },
  );
}

/** What recovery is for. A foreign database or a wrong clock is mended, not passed over. */
const RECOVERABLE: ReadonlySet<string> = new Set([
  "MCA_AUTHORITY_MISSING",
  "MCA_AUTHORITY_KEY_MISSING",
  "MCA_AUTHORITY_KEY_MISMATCH",
  "MCA_AUTHORITY_KEY_REFUSED",
  "MCA_AUTHORITY_CERTIFICATE_INVALID",
  "MCA_AUTHORITY_EXPIRED",
  "MCA_AUTHORITY_UPSTREAM_REVOKED",
  "MCA_AUTHORITY_AWAITING_SIGNATURE",
]);

/**
 * Whether there may be a successor now: the present authority is healthy and of the same upstream, or an operator says that it
 * is to be although it is not.
 * @throws AuthorityError with the hindrance; MCA_AUTHORITY_UNHEALTHY
 */
export function requireSuccession(context: ChangeContext, allowed: SuccessionOptions): void {
  const hindrance = hindranceOf(context);
  const own = ownRecords(context);
  if (hindrance !== undefined) {
    // A replica that never had an authority gets its first by joining, and a trust domain by init: not by recovery.
    const hadOne = context.view.hasTrust && own.some(({ state, issued }) => state !== "requested" && issued);
    if (allowed.recovery !== true || !RECOVERABLE.has(hindrance.code) || !hadOne) throw hindranceError(hindrance);
  }
  const { upstream } = context.options;
  const present = own.find(({ state }) => state === "active") ?? own.findLast(({ issued }) => issued !== undefined);
  if (present === undefined || present.upstream === upstream.kind || allowed.changeUpstream === true) return;
  const command = upstream.answersAtOnce ? "prepare" : "csr";
  throw new AuthorityError(
    "MCA_AUTHORITY_UNHEALTHY",
    `The present authority comes from the upstream ${present.upstream}, the configuration names ${upstream.kind}: a successor comes from the same one, unless an operator says otherwise: npx mesh-ca authority ${command} --change-upstream`,
  );
}

/** What keeps this replica from having a successor by itself; an issuer that is about to end does not. */
export function hindranceOf({ options, view }: ChangeContext): Hindrance | undefined {
  const hindrance = hindranceAt(view.standing, options.clock.now(), options.settings.minLeafTtlSeconds);
  return hindrance?.code === "MCA_ISSUER_EXPIRING" ? undefined : hindrance;
}

/** Since when every client knows a prepared authority, Unix milliseconds. */
export function propagatedAt({ options }: ChangeContext, { preparedAt }: AuthorityRecord): number {
  return (preparedAt ?? options.clock.now()) + propagationSeconds(options.settings) * 1000;
}

/** @throws AuthorityError MCA_AUTHORITY_TOO_EARLY */
export function requirePropagated(context: ChangeContext, successor: AuthorityRecord): void {
  const waitMs = propagatedAt(context, successor) - context.options.clock.now();
  if (waitMs <= 0) return;
  throw new AuthorityError(
    "MCA_AUTHORITY_TOO_EARLY",
    `The authority ${successor.spkiSha256} has not been published long enough for every client to know it: wait another ${Math.ceil(waitMs / 1000)} s, or add --emergency, which leaves behind who does not know it.`,
  );
}

/**
 * Whether a successor could sign, before the present authority is given up for it.
 * @throws AuthorityError with what speaks against it
 */
export async function requireUsable({ options }: ChangeContext, successor: AuthorityRecord): Promise<void> {
  const { keyStore, trustDomain, clock, settings, upstream } = options;
  const asActive = await findStanding({
    records: [{ ...successor, state: "active" }],
    keyStore,
    trustDomain,
    databaseTrustDomain: trustDomain.name,
    replica: successor.replica,
    hasTrust: true,
    upstream,
    stateNow: () => "prepared",
  });
  requireReady(asActive, clock.now(), settings.minLeafTtlSeconds);
}

/** Whether nobody anywhere can hold a leaf that is still valid, so that nobody has to learn of a new authority in time. */
export function nothingLives({ options, view }: ChangeContext): boolean {
  const now = options.clock.now();
  return view.published().every((authority) => endOfPath(authority) < now);
}

/** The prepared authority that comes next on a replica. */
export function successorOf({ view }: ChangeContext, replica: number): AuthorityRecord | undefined {
  return view.records.findLast((each) => each.replica === replica && each.state === "prepared");
}

/** @throws AuthorityError MCA_AUTHORITY_NO_SUCCESSOR */
export function noSuccessor(context: ChangeContext, why: string): AuthorityError {
  const { upstream } = context.options;
  const command =
    hindranceOf(context) !== undefined
      ? recoveryCommand(upstream)
      : upstream.answersAtOnce
        ? "npx mesh-ca authority prepare"
        : "npx mesh-ca authority csr, have it signed, then npx mesh-ca authority import FILE";
  return new AuthorityError("MCA_AUTHORITY_NO_SUCCESSOR", `${why} First: ${command}`, {
    details: { command, recovery: recoveryCommand(upstream) },
  });
}

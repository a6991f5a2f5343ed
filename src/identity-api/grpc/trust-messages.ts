// The server's trust as messages of the Identity API: a snapshot, and the difference between two. Pure: no I/O.
import type { PublishedAuthority } from "../../ca/index.ts";
import {
  type PublishedAuthority as AuthorityMessage,
  PublishedAuthority_State,
  type Revocation as RevocationMessage,
  type TrustDelta,
  type TrustSnapshot,
} from "../../proto/gen/meshca/identity/v1/identity.ts";
import { type Revocation, serverId, type TrustSet } from "../../spiffe/index.ts";
import { fromHex, sha256Hex, toHex } from "../../x509/index.ts";

/** What a snapshot is made of. */
export interface TrustFacts {
  readonly trust: TrustSet;
  readonly published: readonly PublishedAuthority[];
  readonly revision: bigint;
}

/** The whole of what may be trusted now. */
export function snapshotMessage({ trust, published, revision }: TrustFacts): TrustSnapshot {
  return {
    trustDomain: trust.trustDomain.name,
    serverId: serverId(trust.trustDomain).toString(),
    anchors: trust.anchors.map((anchor) => anchor.der),
    authorities: published.map(authorityMessage),
    distrustedSpkiSha256: [...trust.distrustedSpkis].map(fromHex),
    revocations: trust.revocations.map(revocationMessage),
    sequence: trust.sequence,
    refreshHintSeconds: trust.refreshHintSeconds,
    revision,
    renewNow: renewNow(published),
  };
}

/** The authority that came last among the tainted ones: for clients that do not know the state. */
function renewNow(published: readonly PublishedAuthority[]): TrustSnapshot["renewNow"] {
  const tainted = published.findLast(({ state }) => state === "tainted");
  if (tainted === undefined) return undefined;
  return { authoritySpkiSha256: fromHex(tainted.spkiSha256), spreadSeconds: tainted.renewSpreadSeconds ?? 0 };
}

/**
 * What leads from one snapshot to the next; undefined where no delta can say it (a revocation or a distrust that was taken
 * back, another server or another hint): then watchers get the next snapshot whole.
 */
export function deltaMessage(before: TrustSnapshot, after: TrustSnapshot): TrustDelta | undefined {
  if (before.refreshHintSeconds !== after.refreshHintSeconds || before.trustDomain !== after.trustDomain)
    return undefined;
  const anchors = difference(before.anchors, after.anchors, sha256Hex);
  const authorities = difference(before.authorities, after.authorities, authorityKey);
  const distrusted = difference(before.distrustedSpkiSha256, after.distrustedSpkiSha256, toHex);
  const revocations = difference(before.revocations, after.revocations, revocationKey);
  if (distrusted.removed.length > 0 || revocations.removed.length > 0) return undefined;
  const kept = new Set(after.authorities.map((authority) => toHex(authority.spkiSha256)));
  return {
    anchorsAdded: anchors.added,
    anchorsRemovedSha256: anchors.removed.map((der) => fromHex(sha256Hex(der))),
    authoritiesPut: authorities.added,
    authoritiesRemovedSpkiSha256: authorities.removed
      .filter((authority) => !kept.has(toHex(authority.spkiSha256)))
      .map((authority) => authority.spkiSha256),
    distrustedAddedSpkiSha256: distrusted.added,
    revocationsAdded: revocations.added,
    sequence: after.sequence,
    renewNow: after.renewNow,
  };
}

function authorityMessage(authority: PublishedAuthority): AuthorityMessage {
  return {
    certificate: authority.certificate.der,
    spkiSha256: fromHex(authority.spkiSha256),
    state: stateNumber[authority.state],
    intermediates: authority.intermediates.map((certificate) => certificate.der),
    renewSpreadSeconds: authority.renewSpreadSeconds ?? 0,
  };
}

const stateNumber: Readonly<Record<PublishedAuthority["state"], PublishedAuthority_State>> = {
  prepared: PublishedAuthority_State.STATE_PREPARED,
  active: PublishedAuthority_State.STATE_ACTIVE,
  retired: PublishedAuthority_State.STATE_RETIRED,
  tainted: PublishedAuthority_State.STATE_TAINTED,
};

function revocationMessage(revocation: Revocation): RevocationMessage {
  switch (revocation.kind) {
    case "serial":
      return { target: { $case: "serial", value: fromHex(revocation.serial) } };
    case "spki":
      return { target: { $case: "spkiSha256", value: fromHex(revocation.spkiSha256) } };
    case "id":
      return {
        target: {
          $case: "id",
          value: { spiffeId: revocation.spiffeId, issuedBefore: new Date(revocation.issuedBefore) },
        },
      };
  }
}

/** An authority in another state, or with other intermediates, counts as another one: it is put again. */
function authorityKey(authority: AuthorityMessage): string {
  return [
    toHex(authority.spkiSha256),
    authority.state,
    authority.renewSpreadSeconds,
    sha256Hex(authority.certificate),
    ...authority.intermediates.map(sha256Hex),
  ].join(" ");
}

function revocationKey({ target }: RevocationMessage): string {
  switch (target?.$case) {
    case "serial":
    case "spkiSha256":
      return `${target.$case} ${toHex(target.value)}`;
    case "id":
      return `id ${target.value.spiffeId} ${target.value.issuedBefore?.getTime()}`;
    case undefined:
      return "";
  }
}

function difference<T>(
  before: readonly T[],
  after: readonly T[],
  key: (item: T) => string,
): { added: T[]; removed: T[] } {
  const old = new Set(before.map(key));
  const current = new Set(after.map(key));
  return {
    added: after.filter((item) => !old.has(key(item))),
    removed: before.filter((item) => !current.has(key(item))),
  };
}

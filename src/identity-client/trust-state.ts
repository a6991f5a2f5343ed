// What the server says may be trusted, kept up to date by the snapshots and deltas of one WatchTrust stream. Pure: no I/O.
import type { TrustDelta, TrustSnapshot } from "../proto/gen/meshca/identity/v1/identity.ts";
import { type Revocation, TrustDomain, type TrustSet } from "../spiffe/index.ts";
import { type Certificate, parseCertificate } from "../x509/index.ts";
import type { RenewalOrder } from "./renewal-orders.ts";
import {
  type KnownAuthority,
  readAuthority,
  readHash,
  reading,
  readRevocation,
  readSnapshot,
  type Snapshot,
} from "./trust-messages.ts";

/** Immutable; each message yields a new state. */
export interface TrustState {
  readonly trustDomain: TrustDomain;
  /** By the certificate's SHA-256. */
  readonly anchors: ReadonlyMap<string, Certificate>;
  /** By the SPKI's SHA-256. */
  readonly authorities: ReadonlyMap<string, KnownAuthority>;
  readonly distrustedSpkis: ReadonlySet<string>;
  readonly revocations: readonly Revocation[];
  readonly sequence: bigint;
  readonly refreshHintSeconds: number;
  readonly revision: bigint;
}

/** The state that a snapshot describes. */
export function stateOf(snapshot: Snapshot): TrustState {
  return {
    trustDomain: snapshot.trustDomain,
    anchors: new Map(snapshot.anchors.map((anchor) => [anchor.sha256, anchor])),
    authorities: new Map(snapshot.authorities.map((known) => [known.certificate.publicKey.spkiSha256, known])),
    distrustedSpkis: snapshot.distrustedSpkis,
    revocations: snapshot.revocations,
    sequence: snapshot.sequence,
    refreshHintSeconds: snapshot.refreshHintSeconds,
    revision: snapshot.revision,
  };
}

/**
 * The state after a delta that followed it on the same stream.
 * @throws IdentityClientError MCA_SERVER_ANSWER_INVALID; the caller then asks for a new snapshot
 */
export function applyDelta(state: TrustState, delta: TrustDelta, revision: bigint): TrustState {
  return reading("change of trust", () => {
    const anchors = new Map(state.anchors);
    for (const der of delta.anchorsAdded) {
      const anchor = parseCertificate(der);
      anchors.set(anchor.sha256, anchor);
    }
    for (const hash of delta.anchorsRemovedSha256) anchors.delete(readHash(hash));
    const authorities = new Map(state.authorities);
    for (const message of delta.authoritiesPut) {
      const known = readAuthority(message);
      authorities.set(known.certificate.publicKey.spkiSha256, known);
    }
    for (const hash of delta.authoritiesRemovedSpkiSha256) authorities.delete(readHash(hash));
    return {
      ...state,
      anchors,
      authorities,
      distrustedSpkis: new Set([...state.distrustedSpkis, ...delta.distrustedAddedSpkiSha256.map(readHash)]),
      revocations: [...state.revocations, ...delta.revocationsAdded.map(readRevocation)],
      sequence: delta.sequence,
      revision,
    };
  });
}

/** "Renew now" as the authorities' states tell it. */
export function renewalsOf(state: TrustState): readonly RenewalOrder[] {
  return [...state.authorities].flatMap(([authority, { renewWithinMs: spreadMs }]) =>
    spreadMs === undefined ? [] : [{ authority, spreadMs }],
  );
}

/** What verifiers, trust files and other rooms use. */
export function trustSetOf(state: TrustState): TrustSet {
  const known = [...state.authorities.values()];
  const intermediates = new Map(
    known.flatMap(({ intermediates }) => intermediates.map((certificate) => [certificate.sha256, certificate])),
  );
  return {
    trustDomain: state.trustDomain,
    anchors: [...state.anchors.values()],
    authorities: known.map(({ certificate }) => certificate),
    intermediates: [...intermediates.values()],
    distrustedSpkis: state.distrustedSpkis,
    revocations: state.revocations,
    sequence: state.sequence,
    revision: state.revision,
    refreshHintSeconds: state.refreshHintSeconds,
  };
}

/**
 * The trust that a snapshot tells. Whether to believe it depends on who told it: only a verified server, or the admin socket.
 * @throws IdentityClientError MCA_SERVER_ANSWER_INVALID
 */
export function trustSetOfSnapshot(message: TrustSnapshot): TrustSet {
  const trustDomain = reading("snapshot", () => TrustDomain.parse(message.trustDomain));
  return trustSetOf(stateOf(readSnapshot(message, trustDomain)));
}

/** Whether two trust sets say the same. */
export function sameTrust(a: TrustSet, b: TrustSet): boolean {
  return (
    a.sequence === b.sequence &&
    a.revision === b.revision &&
    sameCertificates(a.anchors, b.anchors) &&
    sameCertificates(a.authorities ?? [], b.authorities ?? []) &&
    (a.authorities === undefined) === (b.authorities === undefined) &&
    sameCertificates(a.intermediates, b.intermediates) &&
    a.distrustedSpkis.size === b.distrustedSpkis.size &&
    [...a.distrustedSpkis].every((spki) => b.distrustedSpkis.has(spki)) &&
    a.refreshHintSeconds === b.refreshHintSeconds &&
    JSON.stringify(a.revocations) === JSON.stringify(b.revocations)
  );
}

function sameCertificates(a: readonly Certificate[], b: readonly Certificate[]): boolean {
  const hashes = new Set(a.map(({ sha256 }) => sha256));
  return hashes.size === new Set(b.map(({ sha256 }) => sha256)).size && b.every(({ sha256 }) => hashes.has(sha256));
}

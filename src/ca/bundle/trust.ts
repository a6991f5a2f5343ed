// The trust bundle: from the authorities as stored to what verifiers may trust. Pure. It holds trust anchors (the authority
// itself if self-signed, else its upstream root) and the published authorities, by which our verifiers refuse leaves of a
// sibling CA under the same root.
import type { TrustDomain, TrustSet } from "../../spiffe/index.ts";
import type { Certificate } from "../../x509/index.ts";

/** What the bundle needs to know of an authority. */
export interface BundledAuthority {
  readonly certificate: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly anchor: Certificate;
}

export interface BundleFields {
  readonly trustDomain: TrustDomain;
  readonly authorities: readonly BundledAuthority[];
  /** Lower-case hex of the SHA-256 of SubjectPublicKeyInfos. */
  readonly distrustedSpkis: readonly string[];
  /** Lower-case hex of the SHA-256 of roots that an operator took out. */
  readonly prunedAnchors: readonly string[];
  /** `spiffe_sequence`. */
  readonly sequence: bigint;
  readonly revision: bigint;
  readonly refreshHintSeconds: number;
}

/** Puts the bundle together; each certificate once. */
export function buildTrustSet(fields: BundleFields): TrustSet {
  const { trustDomain, authorities, prunedAnchors, sequence, revision, refreshHintSeconds } = fields;
  return {
    trustDomain,
    anchors: unique(authorities.map(({ anchor }) => anchor)).filter(({ sha256 }) => !prunedAnchors.includes(sha256)),
    authorities: unique(authorities.map(({ certificate }) => certificate)),
    intermediates: unique(authorities.flatMap(({ intermediates }) => intermediates)),
    distrustedSpkis: new Set(fields.distrustedSpkis),
    revocations: [],
    sequence,
    revision,
    refreshHintSeconds,
  };
}

function unique(certificates: readonly Certificate[]): readonly Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.sha256, certificate])).values()];
}

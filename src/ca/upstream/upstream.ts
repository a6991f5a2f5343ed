// Where an authority gets its certificate. One file per upstream beside this one (spec/enterprise-pki.md).
// An upstream never sees the authority's key: it gets a function that records first and signs then (invariant 1).
import type { RandomSource } from "../../runtime/index.ts";
import type { TrustDomain } from "../../spiffe/index.ts";
import type { PublicKeyInfo } from "../../x509/index.ts";
import type { SignerAlgorithm } from "../keys/index.ts";

/** What the authority's own key is asked to sign on the way to its certificate. */
export type RecordedSigning =
  | { readonly kind: "certificate" /** TBSCertificate, DER. */; readonly bytes: Uint8Array }
  | { readonly kind: "csr" /** CertificationRequestInfo, DER. */; readonly bytes: Uint8Array };

/** A request for the certificate of a new authority. */
export interface UpstreamRequest {
  readonly trustDomain: TrustDomain;
  /** 1 to 127; first octet of serial numbers. */
  readonly replica: number;
  readonly publicKey: PublicKeyInfo;
  /** What the authority's key signs with. */
  readonly algorithm: SignerAlgorithm;
  /** Now, Unix milliseconds. */
  readonly now: number;
  readonly lifetimeSeconds: number;
  readonly clockSkewSeconds: number;
  readonly random: RandomSource;
  /** Records these bytes in the ledger, durably, and then signs exactly them with the authority's key. */
  recordThenSign(signing: RecordedSigning): Promise<Uint8Array>;
}

/** What an upstream answers; not yet believed. All DER. */
export interface UpstreamAnswer {
  readonly certificate: Uint8Array;
  /** Between the certificate and the anchor, in any order. */
  readonly intermediates: readonly Uint8Array[];
  readonly anchor: Uint8Array;
}

/** A source of authority certificates. */
export interface Upstream {
  /** As stored with the authority: "self-signed", "disk", ... */
  readonly kind: string;
  /** Whether `certify` is over within one call; false where people sign in their own time. */
  readonly answersAtOnce: boolean;
  /** Gets a certificate. Throws UpstreamError MCA_UPSTREAM_UNAVAILABLE. */
  certify(request: UpstreamRequest): Promise<UpstreamAnswer>;
}

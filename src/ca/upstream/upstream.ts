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
  /** Records, durably, bytes that another key than the authority's is about to sign: an issuing CA's TBSCertificate. */
  record(signing: RecordedSigning): Promise<void>;
}

/** What an upstream answers; not yet believed. All DER. */
export interface UpstreamAnswer {
  readonly certificate: Uint8Array;
  /** Between the certificate and the anchor, in any order. */
  readonly intermediates: readonly Uint8Array[];
  readonly anchor: Uint8Array;
  /** Where certificates came from ("chain.p7b, 2nd certificate"), by their SHA-256 in lower-case hex; for findings. */
  readonly sources?: ReadonlyMap<string, string>;
}

/** A source of authority certificates that answers within one call. */
export interface OnlineUpstream {
  /** As stored with the authority: "self-signed", "disk", ... */
  readonly kind: string;
  readonly answersAtOnce: true;
  /** Gets a certificate. Throws UpstreamError MCA_UPSTREAM_UNAVAILABLE. */
  certify(request: UpstreamRequest): Promise<UpstreamAnswer>;
}

/** A source of authority certificates where people sign in their own time: it gives a request to carry to them. */
export interface OfflineUpstream {
  readonly kind: string;
  readonly answersAtOnce: false;
  /** Builds, records and signs a certification request (PKCS#10, DER). */
  request(request: UpstreamRequest): Promise<{ readonly csr: Uint8Array }>;
}

/** A source of authority certificates. */
export type Upstream = OnlineUpstream | OfflineUpstream;

// What the watch over our own chain's revocation is given, what it tells, and how it asks. `ca` knows no transport: whoever
// puts the program together hands the fetching in.
import type { Certificate } from "../../x509/index.ts";

/** One own authority and what stands between it and its anchor. */
export interface WatchedChain {
  /** SHA-256 of the authority's SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  readonly certificate: Certificate;
  /** Nearest first; empty where the anchor signed the authority. */
  readonly intermediates: readonly Certificate[];
  /** Never asked about: a root is taken out of the bundle, not revoked. */
  readonly anchor: Certificate;
}

export type SourceKind = "crl" | "ocsp";

/** What is known from one address about one certificate. */
export type SourceState =
  /** Not asked yet. */
  | "unchecked"
  | "good"
  | "revoked"
  /** The newest verified answer is past its nextUpdate, or older than one that was already seen. */
  | "stale"
  /** No answer came. */
  | "unreachable"
  /** An answer came that cannot be relied on: wrongly signed, malformed, too large, of another scope. */
  | "unusable"
  /** An address that is never asked: ldap, credentials in it, more than the bound. */
  | "refused";

/** One line of {@link UpstreamWatch.status}. */
export interface SourceStatus {
  /** RFC 4514 subject of the certificate asked about. */
  readonly certificate: string;
  /** Its serial number, lower-case hex. */
  readonly serial: string;
  readonly url: string;
  readonly kind: SourceKind;
  readonly state: SourceState;
  /** Since when it is in this state, Unix milliseconds. */
  readonly since: number;
  /** For people: what was found and what to do. */
  readonly sentence: string;
}

/** The enterprise has revoked a certificate of a chain. */
export interface UpstreamRevocation {
  /** The authority whose chain it is. */
  readonly spkiSha256: string;
  /** The revoked certificate: the authority's own or an intermediate above it. */
  readonly certificate: Certificate;
  /** The address that said so, with the kind: "CRL http://..." or "OCSP http://...". */
  readonly source: string;
  /** Unix milliseconds. */
  readonly revokedAt?: number;
  /** RFC 5280 section 5.3.1, for example "keyCompromise". */
  readonly reason?: string;
}

/** How one answer is asked for. */
export interface RevocationRequest {
  readonly kind: SourceKind;
  readonly maxBytes: number;
  /** OCSP: the request, DER, to be sent by POST. */
  readonly body?: Uint8Array;
  /** What `answer.validator` said last time: an unchanged document need not come again. */
  readonly validator?: string;
  /** The chain's anchor: an https address may have a certificate under it. */
  readonly anchor: Certificate;
  /** Ends the exchange. */
  readonly signal: AbortSignal;
}

/** What came of it. Failures are no errors: they are expected, and told. */
export type RevocationAnswer =
  | { readonly kind: "answer"; readonly bytes: Uint8Array; readonly validator?: string | undefined }
  | { readonly kind: "unchanged" }
  /** `why` continues the sentence "The address ..." */
  | { readonly kind: "failed"; readonly why: string };

/** Asks one http or https address. Never rejects for what the other side does. */
export type RevocationFetch = (url: string, request: RevocationRequest) => Promise<RevocationAnswer>;

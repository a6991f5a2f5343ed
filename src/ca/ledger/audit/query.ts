// What an auditor may ask of the record of issued identities, and how the answer is paged. Pure: no I/O.

/** Which issuances. All filters given must hold. Unset: all. Times are Unix milliseconds. */
export interface IssuanceFilter {
  /** Exact SPIFFE ID. */
  readonly spiffeId?: string;
  /** SPIFFE ID itself, or anything below it: a prefix on a segment boundary. Not together with `spiffeId`. */
  readonly spiffeIdPrefix?: string;
  /** Serial number, lower-case hex. */
  readonly serial?: string;
  /** As recorded, for example "token:<id>" or a SPIFFE ID. */
  readonly requester?: string;
  /** SHA-256 of the authority's SubjectPublicKeyInfo, lower-case hex. */
  readonly authority?: string;
  /** A UUID. */
  readonly lineage?: string;
  /** Issued at or after. */
  readonly issuedFrom?: number;
  /** Issued before (exclusive). */
  readonly issuedUntil?: number;
  /** Valid at this moment: notBefore <= T <= notAfter. */
  readonly validAt?: number;
  /** Only intents whose signature was never reported. */
  readonly withoutOutcome?: boolean;
}

export interface IssuanceQuery extends IssuanceFilter {
  /** 1 to 1,000; 100 if unset. */
  readonly pageSize?: number;
  /** `nextCursor` of the page before, with the same filters and order. */
  readonly cursor?: string;
  /** Newest first; oldest first if unset. */
  readonly newestFirst?: boolean;
}

/** One row of the query table. Times are Unix milliseconds, hashes and serials lower-case hex. */
export interface IssuanceRow {
  readonly logIndex: bigint;
  readonly kind: string;
  readonly spiffeId: string;
  readonly serial: string;
  readonly requester: string;
  readonly lineage: string | undefined;
  readonly rule: string | undefined;
  readonly ruleRevision: bigint | undefined;
  readonly authority: string;
  readonly spkiSha256: string;
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly hasOutcome: boolean;
}

export interface IssuancePage {
  readonly rows: readonly IssuanceRow[];
  /** Unset: there is no more. */
  readonly nextCursor: string | undefined;
}

export const DEFAULT_PAGE_SIZE = 100;
export const MAX_PAGE_SIZE = 1_000;

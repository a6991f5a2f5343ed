// The ceremony sheet: one page of plain text that goes with a certification request to whoever signs it.

export interface CeremonyFacts {
  readonly trustDomain: string;
  /** The CSR's subject, RFC 4514 text. */
  readonly subject: string;
  /** Subject key identifier, lower-case hex. */
  readonly keyId: string;
  /** The certification request, DER. */
  readonly csr: Uint8Array;
  readonly csrSha256: string;
  readonly spkiSha256: string;
  /** Unix milliseconds. */
  readonly requestedAt: number;
  /** Recommended validity, and the least that rotation can work with. */
  readonly validityDays: number;
  readonly minimumDays: number;
  /** How the recommendation comes about ("leaves of 24 h need ..."). */
  readonly validityArithmetic: string;
  /** 0 unless replicas are to be signed by this authority. */
  readonly pathLength: number;
}

/** At most 70 lines of at most 100 columns. */
export function ceremonySheet(_facts: CeremonyFacts): string {
  throw new TypeError("the ceremony sheet is not there yet");
}

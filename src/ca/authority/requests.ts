// Requests that people sign in their own time: a key and a recorded CSR that wait for a certificate.

/** An authority that waits for its certificate. */
export interface AuthorityRequest {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** PKCS#10, DER. */
  readonly csr: Uint8Array;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly cause: string;
}

export interface RequestOptions {
  /** Although the present authority has expired, is revoked or missing. */
  readonly recovery?: boolean;
  /** Although the present authority comes from another upstream. */
  readonly changeUpstream?: boolean;
  /** A new key and CSR although one waits; the waiting one is cleared away. */
  readonly renew?: boolean;
}

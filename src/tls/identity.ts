// What a TLS endpoint shows of itself. The private key stays in this process; nothing here is ever logged.

/** A certificate chain and its key. */
export interface TlsIdentity {
  /** PEM: leaf first, then intermediates, never the root. */
  readonly certificateChainPem: string;
  /** PEM, PKCS#8. */
  readonly privateKeyPem: string;
  /** The leaf's notAfter, Unix milliseconds. */
  readonly notAfter: number;
}

/** Where the present identity comes from, and who tells when it has changed. */
export interface IdentitySource {
  /** The identity to show now, or undefined while there is none. */
  current(): TlsIdentity | undefined;
  /** Calls `listener` after each change; returns how to stop. */
  onChange(listener: () => void): () => void;
}

// The deadlines of an HTTP connection, in milliseconds; 0: none. The keys of the configuration's `timeouts` say what each means.

export interface HttpTimeouts {
  readonly headMs: number;
  readonly bodyIdleMs: number;
  readonly streamIdleMs: number;
  readonly writeStallMs: number;
  readonly keepAliveMs: number;
}

/** How long a connection lives on after an early response or a refusal, so that the client can read it. */
export const LINGER_MS = 2_000;
/** How much is read and dropped meanwhile. */
export const LINGER_BYTES = 64 * 1024;

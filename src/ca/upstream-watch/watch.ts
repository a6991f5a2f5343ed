// Watches the CRLs and OCSP responders that the certificates of our own chains name (RFC 5280 section 5, RFC 6960).
import type { Clock, Logger, Metrics, RandomSource } from "../../runtime/index.ts";
import type { RevocationFetch, SourceStatus, UpstreamRevocation, WatchedChain } from "./types.ts";

export interface UpstreamWatchOptions {
  /** The own authorities that count: prepared, active and retired ones. Asked at each look. */
  readonly chains: () => readonly WatchedChain[];
  readonly fetch: RevocationFetch;
  /** Told once for each fact, and again after a restart; told again later where it rejects. */
  readonly onRevoked: (revocation: UpstreamRevocation) => Promise<void>;
  /** How often each address is asked, seconds. */
  readonly intervalSeconds: number;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

/** Asks, remembers, tells. A source that fails never stops issuance; a verified revocation does. */
export class UpstreamWatch {
  constructor(_options: UpstreamWatchOptions) {
    throw new TypeError("not built yet");
  }

  /** Looks now, and then as often as something is due. */
  start(): void {}

  /** Asks whatever is due. Never rejects. */
  async tick(): Promise<void> {}

  /** What each address says, for readiness, doctor and people. */
  status(): readonly SourceStatus[] {
    return [];
  }

  /** Ends every exchange under way. */
  async close(): Promise<void> {}
}

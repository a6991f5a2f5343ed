// A lineage: one enrolment and every renewal that followed from it.

/** How an issuance stands to a lineage. */
export type LineageStep =
  /** Belongs to none: the server's own certificate, a probe. */
  | { readonly kind: "none" }
  /** A first enrolment. `id` is a fresh UUID. */
  | { readonly kind: "open"; readonly id: string }
  /** A renewal. `presentedSerial` (lower-case hex) is the certificate by which the caller counts as authenticated. */
  | { readonly kind: "renew"; readonly id: string; readonly presentedSerial: string };

/** What does not change over a lineage's life: safe to keep in memory. */
export interface Lineage {
  readonly id: string;
  readonly spiffeId: string;
  /** Name of the rule that granted it; renewal evaluates this rule again. */
  readonly rule: string;
  /** The attestor instance of the enrolment. */
  readonly attestor: string;
  /** Attributes as established at enrolment. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Unix milliseconds. */
  readonly openedAt: number;
}

/** What changes; read and written only under the head lock. */
export interface LineageState {
  readonly frozen: boolean;
  /** Serials and SPKI hashes as lower-case hex. */
  readonly currentSerial: string;
  readonly currentSpki: string;
  readonly currentIndex: bigint;
  /** The current certificate has authenticated a connection. */
  readonly currentUsed: boolean;
  /** Unix milliseconds. */
  readonly currentIssuedAt: number;
  readonly currentNotAfter: number;
  readonly parentSerial: string | undefined;
}

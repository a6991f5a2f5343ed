// Lineages as stored.
import type { Lineage } from "./lineage.ts";

export interface Lineages {
  /** The lineage of a certificate, by serial (lower-case hex); undefined if it belongs to none. */
  findBySerial(serialHex: string): Promise<Lineage | undefined>;
  /** A certificate has authenticated a connection. Stored with the next batch. */
  markUsed(serialHex: string): void;
  /** No certificate of this lineage renews any more. An entry `lineage.frozen` says why and by whom. */
  freeze(id: string, reason: { readonly cause: string; readonly requester: string }): Promise<void>;
}

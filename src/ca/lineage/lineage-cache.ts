// The lineage of recently issued certificates, in memory: the facts that never change. Bounded. It has two generations, of which the older one
// leaves as a whole: a Map from which the oldest is deleted at each addition walks over what it has deleted, and is copied again and again.
import type { Lineage } from "./lineage.ts";

/** A lineage, with the key (SHA-256 of the SubjectPublicKeyInfo, hex) of the certificate that it was found by. */
export interface CachedLineage {
  readonly lineage: Lineage;
  readonly spkiSha256: string;
}

export class LineageCache {
  readonly #half: number;
  #young = new Map<string, CachedLineage>();
  #old = new Map<string, CachedLineage>();

  /** @param max how many it holds at most; the half of them that was used last is always there */
  constructor(max: number) {
    this.#half = Math.max(1, Math.floor(max / 2));
  }

  get(serial: string): CachedLineage | undefined {
    const young = this.#young.get(serial);
    if (young !== undefined) return young;
    const cached = this.#old.get(serial);
    if (cached !== undefined) this.set(serial, cached);
    return cached;
  }

  set(serial: string, cached: CachedLineage): void {
    this.#young.set(serial, cached);
    if (this.#young.size < this.#half) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}

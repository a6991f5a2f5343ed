// The lineage of recently issued certificates, in memory: the facts that never change. Bounded; the oldest use leaves first.
import type { Lineage } from "./lineage.ts";

/** A lineage, with the key (SHA-256 of the SubjectPublicKeyInfo, hex) of the certificate that it was found by. */
export interface CachedLineage {
  readonly lineage: Lineage;
  readonly spkiSha256: string;
}

export class LineageCache {
  readonly #max: number;
  readonly #bySerial = new Map<string, CachedLineage>();

  constructor(max: number) {
    this.#max = max;
  }

  get(serial: string): CachedLineage | undefined {
    const cached = this.#bySerial.get(serial);
    if (cached === undefined) return undefined;
    this.#bySerial.delete(serial);
    this.#bySerial.set(serial, cached);
    return cached;
  }

  set(serial: string, cached: CachedLineage): void {
    this.#bySerial.set(serial, cached);
    if (this.#bySerial.size <= this.#max) return;
    for (const oldest of this.#bySerial.keys()) {
      this.#bySerial.delete(oldest);
      break;
    }
  }

  delete(serial: string): void {
    this.#bySerial.delete(serial);
  }
}

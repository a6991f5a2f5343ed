// The lineage of recently issued certificates, in memory: the facts that never change. Bounded; the oldest use leaves first.
import type { Lineage } from "./lineage.ts";

export class LineageCache {
  readonly #max: number;
  readonly #bySerial = new Map<string, Lineage>();

  constructor(max: number) {
    this.#max = max;
  }

  get(serial: string): Lineage | undefined {
    const lineage = this.#bySerial.get(serial);
    if (lineage === undefined) return undefined;
    this.#bySerial.delete(serial);
    this.#bySerial.set(serial, lineage);
    return lineage;
  }

  set(serial: string, lineage: Lineage): void {
    this.#bySerial.set(serial, lineage);
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

// Everything in one process (workers: 1).
import type { AdminFinding, AdminWorker } from "../admin/view.ts";
import type { BoundAddress } from "../listener/runtime.ts";
import type { MetricsSnapshot } from "../observe/snapshot.ts";
import { DataProcess, type DataProcessOptions } from "./data-process.ts";
import type { Plane } from "./plane.ts";

export class SinglePlane implements Plane {
  readonly crashes = 0;
  readonly #process: DataProcess;
  #serving = false;

  constructor(options: Omit<DataProcessOptions, "shared">) {
    this.#process = new DataProcess({ ...options, shared: false });
  }

  async listen(): Promise<void> {
    await this.#process.plane.listen();
    this.#serving = true;
  }

  async drain(graceMs: number): Promise<void> {
    this.#serving = false;
    await this.#process.drain(graceMs);
  }

  addresses(): ReadonlyMap<string, BoundAddress> {
    return this.#process.plane.addresses();
  }

  problems(): readonly AdminFinding[] {
    return [];
  }

  workers(): readonly AdminWorker[] {
    return [{ pid: process.pid, serving: this.#serving }];
  }

  async metrics(): Promise<MetricsSnapshot> {
    return this.#process.snapshot();
  }
}

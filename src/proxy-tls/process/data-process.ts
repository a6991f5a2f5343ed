// The data plane of this process with its access log and its numbers, in the primary (workers: 1) and in a worker alike.
import type { Clock, Logger, RandomSource } from "../../runtime/index.ts";
import type { ProxyConfig } from "../config/schema.ts";
import { createDataPlane, type DataPlane } from "../data-plane.ts";
import { type OpenObserver, openObserver } from "../observe/open-observer.ts";
import type { MetricsSnapshot } from "../observe/snapshot.ts";
import type { StateSource } from "../state.ts";

export interface DataProcessOptions {
  readonly config: ProxyConfig;
  readonly state: StateSource;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** Other processes listen on the same TCP ports. */
  readonly shared: boolean;
}

export class DataProcess {
  readonly plane: DataPlane;
  readonly #observer: OpenObserver;
  #draining: Promise<void> | undefined;

  constructor({ config, state, clock, random, logger, shared }: DataProcessOptions) {
    this.#observer = openObserver(config.log.access, clock);
    this.plane = createDataPlane({
      ...{ config, state, clock, random, logger },
      observer: this.#observer.observer,
      reusePort: shared,
    });
  }

  /** The numbers of this process. */
  snapshot(): MetricsSnapshot {
    return this.#observer.observer.snapshot(this.plane.counts());
  }

  /** Ends the data plane, and writes the last lines of the access log. Later calls wait for the first: its log is closed once. */
  drain(graceMs: number): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async #drain(graceMs: number): Promise<void> {
    await this.plane.drain(graceMs);
    this.#observer.close();
  }
}

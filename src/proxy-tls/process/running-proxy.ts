// A whole proxy: the primary's parts in the order in which they begin and end. Nothing listens before there is an identity, and nothing
// is left open where a part cannot begin.
import { availableParallelism } from "node:os";
import type { SchedulingClock } from "../../identity-client/index.ts";
import { Lifecycle, type Logger, type RandomSource } from "../../runtime/index.ts";
import { startAdmin } from "../admin/app.ts";
import type { AdminView } from "../admin/view.ts";
import type { ProxyConfig } from "../config/schema.ts";
import type { BoundAddress } from "../listener/runtime.ts";
import type { Plane } from "./plane.ts";
import { PrimaryView, type ProxyPhase } from "./primary-view.ts";
import { SinglePlane } from "./single-plane.ts";
import { StateSources } from "./sources.ts";
import { StateHolder } from "./state-holder.ts";
import { WorkerPlane } from "./worker-plane.ts";

export interface ProxyOptions {
  readonly config: ProxyConfig;
  readonly clock: SchedulingClock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

export class RunningProxy {
  readonly view: AdminView;
  readonly #options: ProxyOptions;
  readonly #sources: StateSources;
  readonly #plane: Plane;
  readonly #lifecycle: Lifecycle;
  readonly #stop = new AbortController();
  #phase: ProxyPhase = "starting";

  constructor(options: ProxyOptions) {
    const { config, logger } = options;
    const state = new StateHolder(logger);
    this.#options = options;
    this.#lifecycle = new Lifecycle(logger);
    this.#sources = new StateSources({ ...options, state });
    const count = config.workers === 0 ? availableParallelism() : config.workers;
    this.#plane = count === 1 ? new SinglePlane({ ...options, state }) : new WorkerPlane({ ...options, state, count });
    this.view = new PrimaryView({
      ...{ config, state, sources: this.#sources, plane: this.#plane },
      phase: () => this.#phase,
    });
  }

  /**
   * Waits for the first identity, however long that takes, and opens the listeners.
   * @throws what a part cannot begin with, after everything else was closed; the reason of `close` where that came first
   */
  async start(): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      const admin = await startAdmin({ view: this.view, clock, logger });
      this.#lifecycle.add("admin listener", () => admin.close());
      logger.info(
        { event: "proxy.started", admin: admin.address, pid: process.pid },
        "The proxy waits for its identity.",
      );
      this.#lifecycle.add("sources", () => this.#sources.close());
      await this.#sources.start(this.#stop.signal);
      this.#stop.signal.throwIfAborted();
      await this.#plane.listen();
      this.#stop.signal.throwIfAborted();
    } catch (error) {
      await this.close(0);
      throw error;
    }
    this.#phase = "serving";
    const addresses = Object.fromEntries(this.addresses());
    logger.info({ event: "proxy.serving", addresses, workers: this.view.workers().length }, "The listeners are open.");
  }

  addresses(): ReadonlyMap<string, BoundAddress> {
    return this.#plane.addresses();
  }

  /** Reads every watched file now. */
  look(): Promise<void> {
    return this.#sources.look();
  }

  /** Says that it is not ready any more, and goes on serving: whoever balances load may turn away first. */
  announceStop(): void {
    this.#phase = "stopping";
  }

  /** Takes nothing new, finishes what is in flight for at most `graceMs`, and closes everything. Never rejects. */
  async close(graceMs: number): Promise<void> {
    this.#phase = "stopping";
    this.#stop.abort(new Error("The proxy was stopped before it served."));
    try {
      await this.#plane.drain(graceMs);
    } catch (error) {
      this.#options.logger.error({ event: "proxy.drain_failed", error }, "The listeners did not close cleanly.");
    }
    await this.#lifecycle.close();
  }
}

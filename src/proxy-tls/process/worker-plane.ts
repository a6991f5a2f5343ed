// The data plane in several processes, so that every core is used. TCP ports are shared by SO_REUSEPORT: the kernel spreads connections
// evenly (test/proxy-tls/process/worker-plane.test.ts has figures beside those of shared handles). Unix sockets cannot be shared so:
// the primary accepts there, and gives connections to the workers in turn.
import cluster from "node:cluster";
import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Logger, packageRoot } from "../../runtime/index.ts";
import type { AdminFinding, AdminWorker } from "../admin/view.ts";
import type { ProxyConfig } from "../config/schema.ts";
import type { BoundAddress } from "../listener/runtime.ts";
import { MetricsCollector } from "../observe/collector.ts";
import type { MetricsSnapshot } from "../observe/snapshot.ts";
import type { Plane } from "./plane.ts";
import { leavesPortsOpen, requireFree, withBoundPorts } from "./ports.ts";
import type { StateHolder } from "./state-holder.ts";
import { WorkerSlot } from "./worker-slot.ts";

export interface WorkerPlaneOptions {
  readonly config: ProxyConfig;
  readonly count: number;
  readonly state: StateHolder;
  readonly logger: Logger;
  /** A place that is empty for so long makes not ready; until then the others carry on. Default 5,000. */
  readonly downMs?: number;
  /** The longest that a worker may take to follow a change. Default 10,000. */
  readonly followMs?: number;
  /** How often a worker is asked whether it lives; one that leaves two questions unanswered is ended at the third. Default 3,000. */
  readonly pulseMs?: number;
}

const DOWN_MS = 5_000;
const FOLLOW_MS = 10_000;
const PULSE_MS = 3_000;
/** What a worker may take beyond the grace. */
const PATIENCE_MS = 3_000;

export class WorkerPlane implements Plane {
  readonly #options: WorkerPlaneOptions;
  readonly #slots: readonly WorkerSlot[];
  readonly #collector: MetricsCollector;
  readonly #unsubscribe: () => void;
  #config: ProxyConfig;
  #addresses: ReadonlyMap<string, BoundAddress> = new Map();
  #crashes = 0;

  constructor(options: WorkerPlaneOptions) {
    const { config, count, state, logger } = options;
    this.#options = options;
    this.#config = config;
    this.#collector = new MetricsCollector({
      workers: () => this.#slots.flatMap(({ askable }) => (askable === undefined ? [] : [askable])),
      ask: (worker, question) => this.#slots.find(({ askable }) => askable === worker)?.send(question),
    });
    this.#slots = Array.from(
      { length: count },
      () =>
        new WorkerSlot({
          fork: () => forkWorker(),
          config: () => this.#config,
          ...{ state, logger, followMs: options.followMs ?? FOLLOW_MS },
          pulseMs: options.pulseMs ?? PULSE_MS,
          onMessage: (worker, message) => {
            if (message.kind === "metrics-answer") this.#collector.answered(worker, message);
          },
          onEnd: (worker, unasked) => {
            if (unasked) this.#crashes += 1;
            this.#collector.ended(worker);
          },
        }),
    );
    this.#unsubscribe = state.onChange(() => {
      for (const slot of this.#slots) slot.follow();
    });
  }

  get crashes(): number {
    return this.#crashes;
  }

  async listen(): Promise<void> {
    const { config } = this.#options;
    await requireFree(config);
    const [first, ...others] = this.#slots;
    if (first === undefined) throw new TypeError("a plane of workers needs workers");
    if (leavesPortsOpen(config)) {
      this.#addresses = await first.first();
      this.#config = withBoundPorts(config, this.#addresses);
      await Promise.all(others.map((slot) => slot.first()));
    } else {
      [this.#addresses = this.#addresses] = await Promise.all(this.#slots.map((slot) => slot.first()));
    }
    for (const { path } of this.#addresses.values()) if (path !== undefined) chmodSync(path, 0o600);
  }

  async drain(graceMs: number): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.stop(graceMs, PATIENCE_MS)));
    this.#unsubscribe();
    this.#addresses = new Map();
  }

  addresses(): ReadonlyMap<string, BoundAddress> {
    return this.#addresses;
  }

  problems(): readonly AdminFinding[] {
    const down = this.#slots.flatMap((slot) => slot.down ?? []);
    if (down.length === this.#slots.length) {
      return [{ code: "MCA_PROXY_WORKER_DOWN", sentence: `No worker serves: ${down[0]?.reason}.` }];
    }
    return down
      .filter(({ ms }) => ms > (this.#options.downMs ?? DOWN_MS))
      .map(({ reason }) => ({ code: "MCA_PROXY_WORKER_DOWN", sentence: `A worker does not come up: ${reason}.` }));
  }

  workers(): readonly AdminWorker[] {
    return this.#slots.flatMap(({ worker }) => worker ?? []);
  }

  metrics(): Promise<MetricsSnapshot> {
    return this.#collector.collect();
  }
}

/** From src the sources run, from dist what was built of them. */
function forkWorker(): ReturnType<typeof cluster.fork> {
  const exec = fileURLToPath(
    new URL(`./worker-main${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
  );
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec,
    args: [],
    execArgv: [...nodeFlags()],
    // Standard input is the application's.
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "json",
  });
  return cluster.fork();
}

/** The flags that the primary was started with, too: this program's own. */
function nodeFlags(): readonly string[] {
  const { config }: { config: { proxyNodeFlags: readonly string[] } } = JSON.parse(
    readFileSync(join(packageRoot(), "package.json"), "utf8"),
  );
  return config.proxyNodeFlags;
}

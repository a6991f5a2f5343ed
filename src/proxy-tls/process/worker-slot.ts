// One place for a worker: filled at the start, and again, with a growing pause, whenever the worker in it has ended unasked.
//
//   starting -> serving -> waiting (pause) -> starting ...
//   starting -> waiting; every state -> stopped
import type { Worker } from "node:cluster";
import type { Logger } from "../../runtime/index.ts";
import type { AdminWorker } from "../admin/view.ts";
import { ProxyError } from "../errors.ts";
import type { BoundAddress } from "../listener/runtime.ts";
import { type FromWorker, parseFromWorker, type ToWorker } from "./messages.ts";
import { Pulse } from "./pulse.ts";
import type { StateHolder, ToldRevisions } from "./state-holder.ts";

export interface WorkerSlotOptions {
  fork(): Worker;
  /** What a worker is told first. */
  config(): Extract<ToWorker, { kind: "start" }>["config"];
  readonly state: StateHolder;
  readonly logger: Logger;
  /** The longest that a worker may take to follow a change: one that hangs would go on with trust that was withdrawn. */
  readonly followMs: number;
  /** How often a worker that serves is asked whether it lives. */
  readonly pulseMs: number;
  /** The longest that a worker may take to listen. Default 30,000. */
  readonly startMs?: number;
  /** A worker that served for so long was well: the next pause is a short one again. Default 10,000. */
  readonly wellMs?: number;
  /** The first pause before a place is filled again, and the longest; each is twice the one before. Default 100 and 10,000. */
  readonly pausesMs?: readonly [first: number, longest: number];
  /** Answers about numbers, and ends. */
  onMessage(worker: number, message: FromWorker): void;
  onEnd(worker: number, unasked: boolean): void;
}

const START_MS = 30_000;
const PAUSES_MS = [100, 10_000] as const;
const WELL_MS = 10_000;

export class WorkerSlot {
  readonly #options: WorkerSlotOptions;
  #worker: Worker | undefined;
  #told: ToldRevisions | undefined;
  #taken = -1;
  #serving = false;
  /** Of a worker that serves. */
  #pulse: Pulse | undefined;
  #servingSince = 0;
  /** performance.now() when it last stopped serving, or began to start. */
  #downSince = performance.now();
  #stopped = false;
  #pauseMs: number;
  #reason = "it has not come up yet";
  /** Why we ended the present worker. */
  #failure: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Of its start, or of a change that it has to follow. */
  #limit: NodeJS.Timeout | undefined;
  /** Of its end: nothing that it says or takes meanwhile puts that off. */
  #endLimit: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();
  #waiting: { resolve(addresses: ReadonlyMap<string, BoundAddress>): void; reject(error: Error): void } | undefined;

  constructor(options: WorkerSlotOptions) {
    this.#options = options;
    [this.#pauseMs] = options.pausesMs ?? PAUSES_MS;
  }

  /** Undefined: there is no process in it now. */
  get worker(): AdminWorker | undefined {
    const pid = this.#worker?.process.pid;
    if (pid === undefined) return undefined;
    return { pid, serving: this.#serving && this.#taken === this.#options.state.current().revision };
  }

  /** The number of the worker that can be asked for its numbers. */
  get askable(): number | undefined {
    return this.#serving ? this.#worker?.id : undefined;
  }

  /** How long there has been nobody who serves, and why; undefined: there is somebody. */
  get down(): { readonly ms: number; readonly reason: string } | undefined {
    return this.#serving ? undefined : { ms: performance.now() - this.#downSince, reason: this.#reason };
  }

  /** Fills the place for the first time. @throws ProxyError where the worker cannot listen; then there is nobody in it */
  async first(): Promise<ReadonlyMap<string, BoundAddress>> {
    const listening = new Promise<ReadonlyMap<string, BoundAddress>>((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    this.#fill();
    try {
      return await listening;
    } catch (error) {
      await this.stop(0, 0);
      throw error;
    }
  }

  send(message: ToWorker): void {
    this.#worker?.send(message, undefined, () => {
      // Where it fails the worker is ending: whoever comes after it is told everything.
    });
  }

  /** Hands a change on. A worker that does not follow it in time is ended. */
  follow(): void {
    if (this.#told === undefined || this.#worker === undefined) return;
    this.send(this.#options.state.message(this.#told));
    this.#remember();
    this.#watchOver(this.#options.followMs, "it did not take a change of the state in time");
  }

  /** Ends the worker when its work has ended, at the latest after `graceMs + patienceMs`, and fills the place no more. */
  async stop(graceMs: number, patienceMs: number): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const worker = this.#worker;
    if (worker === undefined) return;
    if (graceMs + patienceMs === 0) worker.process.kill("SIGKILL");
    else this.send({ kind: "drain", graceMs });
    clearTimeout(this.#endLimit);
    this.#endLimit = setTimeout(() => this.#fail("it did not end in time"), graceMs + patienceMs).unref();
    await this.#ended;
  }

  #fill(): void {
    const worker = this.#options.fork();
    this.#worker = worker;
    this.#told = undefined;
    this.#taken = -1;
    this.#failure = undefined;
    this.#watchOver(this.#options.startMs ?? START_MS, "it did not listen in time");
    this.#ended = new Promise((resolve) => {
      worker.once("exit", (code, signal) => {
        this.#exited(worker, signal ?? `exit code ${code}`);
        resolve();
      });
    });
    worker.on("error", (error) => {
      this.#fail(`it cannot be started or reached (${error.message})`);
      // A process that never was does not exit.
      if (worker.process.pid === undefined) this.#exited(worker, error.message);
    });
    worker.on("message", (value: unknown) => {
      const message = parseFromWorker(value);
      if (message !== undefined && worker === this.#worker) this.#received(worker, message);
    });
  }

  #received(worker: Worker, message: FromWorker): void {
    switch (message.kind) {
      case "hello":
        this.send({ kind: "start", config: this.#options.config(), state: this.#options.state.message() });
        this.#remember();
        return;
      case "listening":
        this.#serving = true;
        this.#servingSince = performance.now();
        this.#pulse = new Pulse({
          everyMs: this.#options.pulseMs,
          ask: () => this.send({ kind: "pulse-question" }),
          onLost: () => this.#fail("it did not answer any more"),
        });
        this.#waiting?.resolve(new Map(message.addresses));
        this.#waiting = undefined;
        return;
      case "failed":
        this.#fail(message.sentence);
        return;
      case "state-taken":
        this.#taken = message.revision;
        if (this.#serving && this.#taken === this.#options.state.current().revision) clearTimeout(this.#limit);
        return;
      case "pulse-answer":
        this.#pulse?.answered();
        return;
      case "metrics-answer":
        this.#options.onMessage(worker.id, message);
        return;
    }
  }

  #remember(): void {
    const { trustRevision, policyRevision } = this.#options.state.current();
    this.#told = { trustRevision, policyRevision };
  }

  #watchOver(ms: number, reason: string): void {
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => this.#fail(reason), ms);
    this.#limit.unref();
  }

  /** Ends the worker; what comes of it is decided when it has ended. */
  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#waiting?.reject(new ProxyError("MCA_PROXY_LISTEN_FAILED", reason));
    this.#waiting = undefined;
    this.#worker?.process.kill("SIGKILL");
  }

  #exited(worker: Worker, how: string): void {
    if (worker !== this.#worker) return;
    clearTimeout(this.#limit);
    clearTimeout(this.#endLimit);
    this.#pulse?.stop();
    const unasked = !this.#stopped;
    const wasServing = this.#serving;
    if (wasServing) this.#downSince = performance.now();
    this.#reason = this.#failure ?? `it ended by ${how}`;
    this.#serving = false;
    this.#worker = undefined;
    this.#waiting?.reject(
      new ProxyError(
        "MCA_PROXY_WORKER_DOWN",
        `A worker process ended by ${how} before it listened. See its last lines.`,
      ),
    );
    this.#waiting = undefined;
    this.#options.onEnd(worker.id, unasked);
    if (!unasked) return;
    const { wellMs = WELL_MS, pausesMs: [firstMs, longestMs] = PAUSES_MS } = this.#options;
    if (wasServing && performance.now() - this.#servingSince > wellMs) this.#pauseMs = firstMs;
    this.#options.logger.error(
      { event: "worker.ended", worker: worker.process.pid, how, reason: this.#reason, againMs: this.#pauseMs },
      "A worker has ended; another one takes its place.",
    );
    this.#timer = setTimeout(() => this.#fill(), this.#pauseMs);
    this.#pauseMs = Math.min(longestMs, this.#pauseMs * 2);
  }
}

// Looks at an HTTP/2 connection every quarter of a second: how much its peer has sent for nothing, and what is overdue. Node has neither a
// bound for floods of cheap frames nor deadlines for streams.
import type { Socket } from "node:net";
import { Deadline } from "../deadlines.ts";
import type { EngineOptions } from "../engine-options.ts";
import { FrameBudget } from "./frame-budget.ts";

const SWEEP_MS = 250;
/** A SETTINGS frame costs far more than its bytes; a PING is answered. */
const SETTINGS_CHARGE = 1_024;
const PING_CHARGE = 64;

export interface SessionWatchHooks {
  /** The budget is spent: it was counted, and the connection has to end. */
  onFlood(): void;
  /** @param now coarse monotonic milliseconds */
  onSweep(now: number): void;
}

export class SessionWatch {
  readonly budget = new FrameBudget();
  /** Coarse monotonic milliseconds, of the last sweep. */
  now = performance.now();
  readonly #socket: Socket;
  readonly #options: Pick<EngineOptions, "count">;
  readonly #hooks: SessionWatchHooks;
  readonly #sweep: Deadline;
  readonly #sweepMs: number;
  #stopped = false;

  /** @param deadlinesMs what is looked at in `onSweep`; 0: no deadline. A short one is looked at more often */
  constructor(socket: Socket, options: EngineOptions, deadlinesMs: readonly number[], hooks: SessionWatchHooks) {
    this.#socket = socket;
    this.#options = options;
    this.#hooks = hooks;
    this.#sweepMs = Math.min(SWEEP_MS, ...deadlinesMs.map((ms) => ms / 4 || SWEEP_MS));
    this.#sweep = new Deadline(options.wheel, () => this.#onSweep());
    this.#sweep.set(this.#sweepMs);
  }

  /** A PING came. */
  ping(): void {
    this.#charge(PING_CHARGE);
  }

  /** SETTINGS came. */
  settings(): void {
    this.#charge(SETTINGS_CHARGE);
  }

  stop(): void {
    this.#stopped = true;
    this.#sweep.clear();
  }

  #charge(bytes: number): void {
    this.budget.charge(bytes);
    this.#checkBudget(0);
  }

  #onSweep(): void {
    const now = performance.now();
    const elapsedMs = now - this.now;
    this.now = now;
    this.#checkBudget(elapsedMs);
    if (!this.#stopped) this.#hooks.onSweep(now);
    if (!this.#stopped) this.#sweep.set(this.#sweepMs);
  }

  #checkBudget(elapsedMs: number): void {
    if (this.#stopped || !this.budget.isSpent(this.#socket.bytesRead, elapsedMs)) return;
    this.#options.count("h2-flood");
    this.#hooks.onFlood();
  }
}

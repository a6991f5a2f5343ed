// A paced load, open loop: calls are due at a fixed rate whatever becomes of those before, and each latency counts from the moment that
// the call was due. A server that stands still for 100 ms shows in fifty calls, not in the one that happened to be under way.
import type { PacedCalls } from "./messages.ts";

/** Milliseconds since the Unix epoch by the monotonic clock, to be compared with other processes of this machine. */
export function monotonicEpochMs(): number {
  return performance.timeOrigin + performance.now();
}

export class Pacer<W> {
  readonly #idle: W[];
  readonly #call: (workload: W) => Promise<void>;
  readonly #intervalMs: number;
  readonly #dueMs: number[] = [];
  readonly #latencyMs: number[] = [];
  readonly #failures: { readonly dueMs: number; readonly sentence: string }[] = [];
  readonly #waiting: number[] = [];
  #nextDue: number;
  #underWay = 0;
  #stopped: (() => void) | undefined;

  /** Begins at once; each workload has one call under way at most, and a call that finds none idle waits, overdue. */
  constructor(workloads: readonly W[], perSecond: number, call: (workload: W) => Promise<void>) {
    this.#idle = [...workloads];
    this.#call = call;
    this.#intervalMs = 1000 / perSecond;
    this.#nextDue = monotonicEpochMs();
    this.#look();
  }

  /** No further call; resolves when those that were due have ended. */
  async stop(): Promise<PacedCalls> {
    await new Promise<void>((resolve) => {
      this.#stopped = resolve;
      this.#endIfDone();
    });
    return { dueMs: this.#dueMs, latencyMs: this.#latencyMs, failures: this.#failures };
  }

  #look(): void {
    if (this.#stopped !== undefined) return;
    for (const now = monotonicEpochMs(); this.#nextDue <= now; this.#nextDue += this.#intervalMs) {
      this.#waiting.push(this.#nextDue);
    }
    this.#begin();
    setTimeout(() => this.#look(), 1);
  }

  #begin(): void {
    while (this.#waiting.length > 0) {
      const workload = this.#idle.shift();
      if (workload === undefined) return;
      const due = this.#waiting.shift();
      if (due !== undefined) void this.#make(workload, due);
    }
  }

  async #make(workload: W, dueMs: number): Promise<void> {
    this.#underWay += 1;
    try {
      await this.#call(workload);
      this.#dueMs.push(dueMs);
      this.#latencyMs.push(monotonicEpochMs() - dueMs);
    } catch (error) {
      this.#failures.push({ dueMs, sentence: error instanceof Error ? error.message : String(error) });
    }
    this.#underWay -= 1;
    this.#idle.push(workload);
    this.#begin();
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#underWay === 0 && this.#waiting.length === 0) this.#stopped?.();
  }
}

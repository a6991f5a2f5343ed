// Intents that wait for their commit: bounded, each with a deadline, each settled exactly once.
import { toHex } from "../../x509/index.ts";
import { LedgerError } from "./errors.ts";
import { type CommitResult, type Intent, markCommitted } from "./intent.ts";
import type { PreparedIntent, Verdict } from "./plan.ts";
import { encodeSvidEntry } from "./svid-entry.ts";

/** An intent on its way. */
export class PendingIntent implements PreparedIntent {
  readonly intent: Intent;
  readonly fields: PreparedIntent["fields"];
  readonly entry: PreparedIntent["entry"];
  readonly serial: string;
  /** When it came, by the clock of `performance.now()`. */
  readonly arrivedAt: number;
  readonly #resolve: (result: CommitResult) => void;
  readonly #reject: (error: Error) => void;
  #settled = false;

  /** @throws LedgerError MCA_ENTRY_TOO_LARGE, MCA_ENTRY_INVALID */
  constructor(intent: Intent, resolve: (result: CommitResult) => void, reject: (error: Error) => void) {
    this.intent = intent;
    this.fields = intent.fields;
    this.entry = encodeSvidEntry(intent.fields);
    this.serial = toHex(intent.fields.serial);
    this.arrivedAt = performance.now();
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The caller has its answer. */
  get settled(): boolean {
    return this.#settled;
  }

  settle(verdict: Verdict): void {
    if (this.#settled) return;
    this.#settled = true;
    switch (verdict.kind) {
      case "recorded":
        this.#resolve({ kind: "committed", intent: markCommitted(this.intent, verdict.logIndex) });
        break;
      case "replay":
        this.#resolve(verdict);
        break;
      case "refused":
        this.#reject(verdict.error);
    }
  }
}

export class IntentQueue {
  readonly #max: number;
  #waiting: PendingIntent[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** @throws LedgerError MCA_LEDGER_OVERLOADED */
  add(pending: PendingIntent): void {
    if (this.#waiting.length >= this.#max) {
      throw new LedgerError(
        "MCA_LEDGER_OVERLOADED",
        `${this.#max} requests already wait for the ledger. Nothing was issued; try again in a few seconds.`,
      );
    }
    this.#waiting.push(pending);
  }

  /** Up to `max` of those that wait, oldest first. */
  take(max: number): PendingIntent[] {
    if (this.#waiting.length <= max) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, max);
  }

  /** Back to the front; those that were answered meanwhile are dropped. */
  putBack(pending: readonly PendingIntent[]): void {
    this.#waiting.unshift(...pending.filter(({ settled }) => !settled));
  }

  /** Refuses whoever waits longer than `timeoutMs` (0: everyone). */
  refuseOlderThan(timeoutMs: number, error: () => LedgerError): void {
    const limit = performance.now() - timeoutMs;
    const old = this.#waiting.filter(({ arrivedAt }) => arrivedAt <= limit);
    if (old.length === 0) return;
    this.#waiting = this.#waiting.filter(({ arrivedAt }) => arrivedAt > limit);
    for (const pending of old) pending.settle({ kind: "refused", error: error() });
  }
}

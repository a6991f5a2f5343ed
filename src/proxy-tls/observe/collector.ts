// How the primary gets the numbers of its workers: it asks each one, by a message that the process room carries, and waits a moment. A
// worker that does not answer in time counts with what it told last, so that one that hangs never hides the others.
import { MetricsTotals } from "./merge.ts";
import type { MetricsSnapshot } from "./snapshot.ts";

const ANSWER_MS = 1_000;

/** To a worker: tell your numbers. */
export interface MetricsQuestion {
  readonly kind: "metrics-question";
  readonly question: number;
}

/** From a worker, asked (with the number of the question), or, before it ends, unasked (0). */
export interface MetricsAnswer {
  readonly kind: "metrics-answer";
  readonly question: number;
  readonly snapshot: MetricsSnapshot;
}

export interface MetricsCollectorOptions {
  /** Workers that can be asked now. A worker's number is never given to another one. */
  workers(): readonly number[];
  /** Sends a question. May fail: it counts as no answer. */
  ask(worker: number, question: MetricsQuestion): void;
  /** How long answers are waited for; default 1,000. */
  readonly answerMs?: number;
}

export class MetricsCollector {
  readonly #options: MetricsCollectorOptions;
  readonly #totals = new MetricsTotals();
  #questions = 0;
  #waitingFor: { readonly question: number; readonly workers: Set<number>; done(): void } | undefined;
  #collecting: Promise<MetricsSnapshot> | undefined;

  constructor(options: MetricsCollectorOptions) {
    this.#options = options;
  }

  /** Asks every worker and adds up. Whoever asks meanwhile gets the same page. */
  collect(): Promise<MetricsSnapshot> {
    this.#collecting ??= this.#ask().finally(() => {
      this.#collecting = undefined;
    });
    return this.#collecting;
  }

  /** Takes a worker's answer. */
  answered(worker: number, { question, snapshot }: MetricsAnswer): void {
    this.#totals.update(worker, snapshot);
    if (this.#waitingFor?.question === question) this.#strike(worker);
  }

  /** The worker has ended: its counts stay. */
  ended(worker: number): void {
    this.#totals.ended(worker);
    this.#strike(worker);
  }

  async #ask(): Promise<MetricsSnapshot> {
    this.#questions += 1;
    const question = this.#questions;
    const workers = new Set(this.#options.workers());
    let timer: NodeJS.Timeout | undefined;
    const answered = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#options.answerMs ?? ANSWER_MS);
      this.#waitingFor = { question, workers, done: resolve };
    });
    for (const worker of [...workers]) this.#send(worker, question);
    if (workers.size === 0) this.#waitingFor?.done();
    await answered;
    clearTimeout(timer);
    this.#waitingFor = undefined;
    return this.#totals.total();
  }

  #send(worker: number, question: number): void {
    try {
      this.#options.ask(worker, { kind: "metrics-question", question });
    } catch {
      // It is ending: what it told last counts.
      this.#strike(worker);
    }
  }

  #strike(worker: number): void {
    const waiting = this.#waitingFor;
    if (waiting?.workers.delete(worker) === true && waiting.workers.size === 0) waiting.done();
  }
}

// Group commit. Intents wait in a pool; as soon as the previous commit has returned, all that wait go into one transaction. A batch
// whose fate is unknown is resolved by reading the log back before anything else is written. A batch that the database
// refuses is split until the culprit stands alone. Nothing waits longer than its deadline.
import { setTimeout as sleep } from "node:timers/promises";
import type { BoundCounter, BoundHistogram, Clock, Logger, Metrics } from "../../runtime/index.ts";
import { type Database, type StoreError, sqlStateOf } from "../store/index.ts";
import type { Pipeline } from "../store/pipeline.ts";
import { type AttemptResult, attemptCommit, type Work, type Written } from "./attempt.ts";
import { LedgerError } from "./errors.ts";
import type { CommitResult, Intent, OutcomeReport } from "./intent.ts";
import { IntentQueue, PendingIntent } from "./intent-queue.ts";
import type { LedgerHealth, Quota } from "./ledger.ts";
import { type LogTip, requireSameLog } from "./log-tip.ts";
import { OutcomeQueue } from "./outcome-queue.ts";
import { Partitions } from "./partitions.ts";
import { NO_POLICY } from "./policy.ts";
import { isRecorded } from "./read-back.ts";
import { WriterConnection } from "./writer-connection.ts";

export interface CommitterOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lineageQuota: Quota;
  readonly maxQueued: number;
  readonly commitTimeoutMs: number;
  /** The log when it was opened. */
  readonly tip: LogTip;
  /** Called after each commit with what it recorded. */
  readonly onRecorded: (written: Written) => void;
}

const MAX_BATCH = 256;
/**
 * Right after a batch of several the next waits for company, the longer the more there were: fewer transactions for the same
 * certificates. Whoever comes alone waits for nobody.
 */
const GATHER_MS_PER_INTENT = 0.4;
const MAX_GATHER_MS = 10;
/** How long outcomes and marks may wait for an intent to travel with. */
const FLUSH_MS = 1_000;
/** After this long without a connection whoever asks is refused at once. */
const FAIL_FAST_MS = 1_000;
const RECONNECT_MS = [20, 50, 100, 250, 500, 1_000] as const;
const SWEEP_MS = 200;
/** How often an idle committer looks whether it still has its connection. */
const WATCH_MS = 500;
const NO_PARTITION = "23514";
const RETRIED = new Set(["40001", "40P01", "55P03", "57014"]);
const UNIQUE_VIOLATION = "23505";
const BUCKETS = [0.25, 0.5, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 25, 50, 100, 250, 1_000].map((ms) => ms / 1_000);

interface Unknown {
  readonly work: Work;
  readonly written: Written;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #queue: IntentQueue;
  readonly #outcomes = new OutcomeQueue();
  readonly #connection: WriterConnection;
  readonly #partitions: Partitions;
  readonly #seconds: BoundHistogram;
  readonly #batches: BoundCounter;
  #marks = new Set<string>();
  #policy = NO_POLICY;
  #tip: LogTip;
  #running: Promise<void> | undefined;
  #flushTimer: NodeJS.Timeout | undefined;
  #flushDue = false;
  #sweeper: NodeJS.Timeout | undefined;
  #watch: NodeJS.Timeout | undefined;
  #inFlight: readonly PendingIntent[] = [];
  #unknown: Unknown | undefined;
  #failures = 0;
  #downSince: number | undefined;
  #downReason: Error | undefined;
  #corrupt: LedgerError | undefined;
  #closed = false;
  readonly #giveUp = new AbortController();

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#queue = new IntentQueue(options.maxQueued);
    this.#connection = new WriterConnection(options.database, (pipeline) => requireSameLog(pipeline, this.#tip));
    this.#partitions = new Partitions(options.database, options.logger);
    this.#tip = options.tip;
    const { metrics } = options;
    this.#seconds = metrics
      .histogram("mesh_ca_ledger_commit_seconds", {
        description: "From an intent's entry into a transaction until COMMIT has answered, per batch",
        buckets: BUCKETS,
      })
      .bind();
    this.#batches = metrics
      .counter("mesh_ca_ledger_batches", { description: "Transactions that the ledger has committed" })
      .bind();
    metrics.gauge(
      "mesh_ca_ledger_size",
      { description: "Entries in the log, as of this replica's last commit" },
      () => [{ value: Number(this.#tip.size) }],
    );
    metrics.gauge("mesh_ca_ledger_waiting", { description: "Intents that wait for a commit" }, () => [
      { value: this.#queue.size },
    ]);
  }

  /** Connects, so that the first intent does not wait for it. */
  async open(): Promise<void> {
    await this.#partitions.ensure();
    await this.#use(async () => {});
    this.#watch = setInterval(() => this.#noticeLoss(), WATCH_MS).unref();
  }

  /** @throws LedgerError */
  commit(intent: Intent): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw unavailable("The server is shutting down", undefined);
      if (this.#corrupt !== undefined) throw this.#corrupt;
      if (this.#isDown()) throw unavailable("The database cannot be reached", this.#downReason);
      this.#queue.add(new PendingIntent(intent, resolve, reject));
      this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
      this.#wake();
    });
  }

  report(outcome: OutcomeReport): void {
    this.#outcomes.add(outcome);
    this.#flushSoon();
  }

  pendingOutcome(logIndex: bigint): OutcomeReport | undefined {
    return this.#outcomes.find(logIndex);
  }

  /** A serial (lower-case hex) that has authenticated a connection. */
  markUsed(serial: string): void {
    this.#marks.add(serial);
    this.#flushSoon();
  }

  /** The log as this process last saw it committed. */
  get tip(): LogTip {
    return this.#tip;
  }

  /** The log was seen to have grown. */
  moved(tip: LogTip): void {
    if (tip.size > this.#tip.size) this.#tip = tip;
  }

  health(): LedgerHealth {
    if (this.#corrupt !== undefined) {
      return { writable: false, size: this.#tip.size, queued: 0, reason: this.#corrupt.message };
    }
    const reason =
      this.#downReason === undefined ? undefined : `The ledger cannot be written. ${this.#downReason.message}`;
    return { writable: !this.#isDown(), size: this.#tip.size, queued: this.#queue.size, reason };
  }

  /** Commits what waits, for at most `timeoutMs`, and ends. */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#flushTimer);
    clearInterval(this.#watch);
    this.#flushDue = true;
    const deadline = setTimeout(() => {
      this.#giveUp.abort();
      this.#connection.drop();
    }, timeoutMs);
    this.#wake();
    while (this.#running !== undefined) await this.#running; // one run may be followed by another
    clearTimeout(deadline);
    clearInterval(this.#sweeper);
    const closing = () => unavailable("The server is shutting down", undefined);
    this.#queue.refuseOlderThan(Number.NEGATIVE_INFINITY, closing);
    for (const pending of this.#unknown?.work.intents ?? []) pending.settle({ kind: "refused", error: closing() });
    await this.#connection.close();
  }

  #isDown(): boolean {
    return this.#downSince !== undefined && performance.now() - this.#downSince > FAIL_FAST_MS;
  }

  /** The connection may go while nobody wants to commit: whether the database is away is told all the same. */
  #noticeLoss(): void {
    if (this.#running !== undefined || this.#downSince !== undefined || !this.#connection.lost) return;
    this.#downSince = performance.now();
    this.#downReason = new Error("the connection was lost");
    this.#wake();
  }

  #flushSoon(): void {
    if (this.#closed) return;
    this.#flushTimer ??= setTimeout(() => {
      this.#flushTimer = undefined;
      this.#flushDue = true;
      this.#wake();
    }, FLUSH_MS).unref();
  }

  #wake(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#hasWork() && !this.#giveUp.signal.aborted) this.#wake();
    });
  }

  #hasWork(): boolean {
    if (this.#corrupt !== undefined) return false;
    return (
      this.#queue.size > 0 ||
      this.#unknown !== undefined ||
      (this.#downSince !== undefined && !this.#closed) ||
      (this.#flushDue && (this.#outcomes.size > 0 || this.#marks.size > 0))
    );
  }

  async #run(): Promise<void> {
    // Whatever arrives in the same turn of the event loop shares the first batch.
    await new Promise(setImmediate);
    let gatherMs = 0;
    while (this.#hasWork() && !this.#giveUp.signal.aborted) {
      if (await this.#resolveUnknown()) {
        if (gatherMs > 0 && !this.#closed) await sleep(gatherMs);
        const work = this.#takeWork();
        gatherMs = gatherFor(work.intents.length);
        await this.#commitWork(work);
      }
    }
    this.#flushDue = false;
    if (this.#outcomes.size > 0 || this.#marks.size > 0) this.#flushSoon();
  }

  #takeWork(): Work {
    const intents = this.#queue.take(MAX_BATCH);
    const marks = [...this.#marks];
    this.#marks = new Set();
    return { intents, outcomes: this.#outcomes.take(), marks };
  }

  async #commitWork(work: Work): Promise<void> {
    if (work.intents.length + work.outcomes.length + work.marks.length === 0) {
      await this.#probe();
      return;
    }
    const result = await this.#attempt(work);
    switch (result.kind) {
      case "committed":
        this.#policy = result.policy;
        this.#committed(work, result.written);
        return;
      case "lost":
        await this.#retryLater(work, result.error);
        return;
      case "unknown":
        this.#unknown = { work, written: result.written };
        await this.#backOff(result.error);
        return;
      case "refused":
        await this.#refused(work, result.error);
    }
  }

  async #attempt(work: Work): Promise<AttemptResult> {
    const { clock, lineageQuota } = this.#options;
    this.#inFlight = work.intents;
    const started = performance.now();
    try {
      const result = await this.#use((pipeline) =>
        attemptCommit(pipeline, work, { clock, lineageQuota, policy: this.#policy, tip: this.#tip }),
      );
      if (result.kind === "committed") this.#seconds.record((performance.now() - started) / 1_000);
      return result;
    } catch (error) {
      return { kind: "lost", error: asError(error) };
    } finally {
      this.#inFlight = [];
    }
  }

  /** Lends the connection, and cuts it when that takes longer than a commit may: a server can fall silent at any moment. */
  async #use<T>(run: (pipeline: Pipeline) => Promise<T>): Promise<T> {
    // Half of the callers' patience: the other half is for a second try on a new connection.
    const watchdog = setTimeout(() => this.#connection.drop(), this.#options.commitTimeoutMs / 2);
    try {
      return await run(await this.#connection.get());
    } finally {
      clearTimeout(watchdog);
    }
  }

  #committed(work: Work, written: Written): void {
    this.#failures = 0;
    this.#downSince = undefined;
    this.#downReason = undefined;
    this.moved({ size: written.size, leafHash: written.plan.entries.at(-1)?.leafHash });
    this.#batches.add(1);
    this.#outcomes.done(work.outcomes);
    this.#options.onRecorded(written);
    written.plan.verdicts.forEach((verdict, index) => {
      const pending = work.intents[index];
      if (pending === undefined) return;
      // Its caller was refused while the commit was under way: it will never be signed, and the record says so.
      if (pending.settled && verdict.kind === "recorded") this.report({ logIndex: verdict.logIndex, result: "failed" });
      pending.settle(verdict);
    });
    this.#partitions.ensureAhead(this.#tip.size);
  }

  /** False while the fate of the last batch is still unknown. */
  async #resolveUnknown(): Promise<boolean> {
    const unknown = this.#unknown;
    if (unknown === undefined) return true;
    const { work, written } = unknown;
    const [first] = written.plan.entries;
    try {
      const recorded =
        first !== undefined && (await this.#use((pipeline) => isRecorded(pipeline, written.from, first.leafHash)));
      this.#unknown = undefined;
      this.#options.logger.warn(
        { event: "ledger.read-back", from: written.from.toString(), recorded },
        "the answer to a COMMIT was lost; the log was read back",
      );
      if (recorded) this.#committed(work, written);
      else this.#putBack(work);
      return true;
    } catch (error) {
      await this.#backOff(asError(error));
      return false;
    }
  }

  #putBack(work: Work): void {
    this.#queue.putBack(work.intents);
    this.#outcomes.putBack(work.outcomes);
    for (const mark of work.marks) this.#marks.add(mark);
    if (work.outcomes.length + work.marks.length > 0) this.#flushSoon();
  }

  #retryLater(work: Work, error: Error): Promise<void> {
    this.#putBack(work);
    return this.#backOff(error);
  }

  /** The connection is of no use: wait a little before the next. */
  async #backOff(error: Error): Promise<void> {
    this.#connection.drop();
    if (error instanceof LedgerError && error.code === "MCA_LEDGER_CORRUPT") return this.#stop(error);
    this.#downSince ??= performance.now();
    this.#downReason = error;
    const delay = RECONNECT_MS[Math.min(this.#failures, RECONNECT_MS.length - 1)];
    this.#failures += 1;
    this.#options.logger.warn(
      { event: "ledger.unavailable", error, attempt: this.#failures },
      "the ledger cannot commit",
    );
    if (this.#isDown()) {
      this.#queue.refuseOlderThan(0, () => unavailable("The database cannot be reached", error));
      if (this.#closed) this.#giveUp.abort();
    }
    await sleep(delay, undefined, { signal: this.#giveUp.signal }).catch(() => {});
  }

  /** This log must not be added to by this process any more. */
  #stop(error: LedgerError): void {
    this.#corrupt = error;
    this.#options.logger.error(
      { event: "ledger.corrupt", error, alarm: true },
      "ALARM: the log is not the one of before",
    );
    this.#queue.refuseOlderThan(Number.NEGATIVE_INFINITY, () => error);
    for (const pending of this.#unknown?.work.intents ?? []) pending.settle({ kind: "refused", error });
  }

  /** Nobody waits, but the database was away: is it back? */
  async #probe(): Promise<void> {
    try {
      await this.#use(async () => {});
      this.#downSince = undefined;
      this.#downReason = undefined;
      this.#failures = 0;
      this.#options.logger.info({ event: "ledger.available" }, "the ledger can commit again");
    } catch (error) {
      await this.#backOff(asError(error));
    }
  }

  /** The database refused the batch. Others must not suffer from what one of them holds. */
  async #refused(work: Work, error: StoreError): Promise<void> {
    const sqlState = sqlStateOf(error);
    if (sqlState !== undefined && RETRIED.has(sqlState)) return this.#retryLater(work, error);
    try {
      if (sqlState === NO_PARTITION && (await this.#partitions.ensure())) return this.#putBack(work);
    } catch (failure) {
      return this.#retryLater(work, asError(failure));
    }
    const parts = split(work);
    if (parts.length > 1) {
      for (const part of parts) {
        // Nothing is written while the fate of a part is unknown: what is left waits until the log was read back.
        if (this.#unknown === undefined) await this.#commitWork(part);
        else this.#putBack(part);
      }
      return;
    }
    this.#options.logger.error(
      { event: "ledger.refused", error, outcomes: work.outcomes.map(({ logIndex }) => logIndex.toString()) },
      "the database refused what no retry will mend",
    );
    this.#outcomes.done(work.outcomes); // it stays an issuance without an outcome: the safe side
    for (const pending of work.intents) {
      pending.settle({
        kind: "refused",
        error: sqlState === UNIQUE_VIOLATION ? collision(error) : refusedByDatabase(error),
      });
    }
  }

  #sweep(): void {
    const { commitTimeoutMs } = this.#options;
    const late = () => unavailable(`The ledger did not commit within ${commitTimeoutMs} ms`, this.#downReason);
    this.#queue.refuseOlderThan(commitTimeoutMs, late);
    const limit = performance.now() - commitTimeoutMs;
    for (const pending of [...this.#inFlight, ...(this.#unknown?.work.intents ?? [])]) {
      if (pending.arrivedAt <= limit) pending.settle({ kind: "refused", error: late() });
    }
    if (this.#queue.size === 0 && this.#inFlight.length === 0 && this.#unknown === undefined) {
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
    }
  }
}

function gatherFor(intents: number): number {
  return intents > 1 ? Math.min(Math.ceil(intents * GATHER_MS_PER_INTENT), MAX_GATHER_MS) : 0;
}

/** Smaller pieces of refused work; one piece: it cannot be split further. */
function split(work: Work): Work[] {
  const none: Work = { intents: [], outcomes: [], marks: [] };
  const kinds = [
    { ...none, marks: work.marks },
    { ...none, outcomes: work.outcomes },
    { ...none, intents: work.intents },
  ].filter(({ intents, outcomes, marks }) => intents.length + outcomes.length + marks.length > 0);
  if (kinds.length > 1) return kinds;
  if (work.intents.length > 1) return halves(work.intents).map((intents) => ({ ...none, intents }));
  if (work.outcomes.length > 1) return halves(work.outcomes).map((outcomes) => ({ ...none, outcomes }));
  return kinds;
}

function halves<T>(items: readonly T[]): [readonly T[], readonly T[]] {
  const middle = items.length >> 1;
  return [items.slice(0, middle), items.slice(middle)];
}

function unavailable(what: string, cause: Error | undefined): LedgerError {
  return new LedgerError(
    "MCA_LEDGER_UNAVAILABLE",
    `${what}, and nothing is issued that is not recorded. Try again in a few seconds.`,
    cause === undefined ? {} : { cause },
  );
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function collision(cause: Error): LedgerError {
  return new LedgerError("MCA_SERIAL_COLLISION", "The serial number is taken. Draw another.", { cause });
}

function refusedByDatabase(cause: Error): LedgerError {
  return new LedgerError(
    "MCA_LEDGER_UNAVAILABLE",
    "The database refused to record this request, so nothing was issued. The server's log says why.",
    { cause },
  );
}

// One attempt to commit one batch: two pipelined round trips, then a judgement of what COMMIT answered. It decides nothing about
// retries; it only says, without ever guessing, what is known afterwards.
import type { Clock } from "../../runtime/index.ts";
import { StoreError } from "../store/index.ts";
import { isConnectionLoss } from "../store/pg-errors.ts";
import type { Pipeline, PipelineAnswer } from "../store/pipeline.ts";
import { type BatchReads, beginBatch } from "./batch-read.ts";
import { sendWrites } from "./batch-write.ts";
import type { OutcomeReport } from "./intent.ts";
import type { PendingIntent } from "./intent-queue.ts";
import type { Quota } from "./ledger.ts";
import { type LogTip, requireGrown } from "./log-tip.ts";
import { encodeOutcomes } from "./outcome-queue.ts";
import { type BatchPlan, planBatch } from "./plan.ts";
import type { KnownPolicy } from "./policy.ts";

/** What one transaction is to write. */
export interface Work {
  readonly intents: readonly PendingIntent[];
  readonly outcomes: readonly OutcomeReport[];
  /** Serials (lower-case hex) that have authenticated a connection. */
  readonly marks: readonly string[];
}

export interface Written {
  readonly plan: BatchPlan;
  /** Size of the log before and after. */
  readonly from: bigint;
  readonly size: bigint;
}

export type AttemptResult =
  | { readonly kind: "committed"; readonly written: Written; readonly policy: KnownPolicy }
  /** The server has said no; nothing was written. */
  | { readonly kind: "refused"; readonly error: StoreError }
  /** The connection was lost before COMMIT was sent; nothing was written. */
  | { readonly kind: "lost"; readonly error: Error }
  /** COMMIT was sent, and its answer is lost or not clean: only the log can tell. */
  | { readonly kind: "unknown"; readonly written: Written; readonly error: Error };

export interface AttemptOptions {
  readonly clock: Clock;
  readonly lineageQuota: Quota;
  readonly policy: KnownPolicy;
  /** The log as this process last saw it. */
  readonly tip: LogTip;
}

/** Tries once. Never throws for what the database does. */
export async function attemptCommit(pipeline: Pipeline, work: Work, options: AttemptOptions): Promise<AttemptResult> {
  pipeline.takeWarnings();
  let reads: BatchReads;
  let written: Written;
  let answers: PromiseSettledResult<PipelineAnswer>[];
  try {
    reads = await beginBatch(pipeline, work.intents, work.marks, options.policy);
    requireGrown(reads.size, options.tip);
    const now = options.clock.now();
    const plan = planBatch(
      work.intents,
      { ...reads, rules: reads.policy.rules, authorities: reads.policy.authorities },
      { now, lineageQuota: options.lineageQuota },
    );
    const outcomeIndex = work.outcomes.length === 0 ? undefined : reads.size + BigInt(plan.entries.length);
    if (outcomeIndex !== undefined) plan.entries.push(encodeOutcomes(work.outcomes, now));
    written = { plan, from: reads.size, size: reads.size + BigInt(plan.entries.length) };
    answers = await sendWrites(pipeline, { size: reads.size, plan, outcomes: work.outcomes, outcomeIndex, now });
  } catch (error) {
    // Nothing was sent to be committed.
    if (!(error instanceof StoreError) || isConnectionLoss(error)) return { kind: "lost", error: asError(error) };
    const ended = await pipeline.send({ name: "", text: "ROLLBACK" }).catch(() => undefined);
    return ended === undefined ? { kind: "lost", error } : { kind: "refused", error };
  }
  return judge(answers, pipeline.takeWarnings(), written, reads.policy);
}

/** COMMIT must answer COMMIT, alone and without a warning. */
export function judge(
  answers: readonly PromiseSettledResult<PipelineAnswer>[],
  warnings: readonly string[],
  written: Written,
  policy: KnownPolicy,
): AttemptResult {
  const failures = answers.flatMap((answer) => (answer.status === "rejected" ? [asError(answer.reason)] : []));
  const commit = answers.at(-1);
  if (failures.some(isConnectionLoss)) {
    return { kind: "unknown", written, error: failures.find(isConnectionLoss) ?? new Error("connection lost") };
  }
  const refusal = failures.find((error) => error instanceof StoreError);
  if (commit?.status === "rejected" || (commit?.status === "fulfilled" && commit.value.command === "ROLLBACK")) {
    return {
      kind: "refused",
      error: refusal ?? new StoreError("MCA_DATABASE_STATEMENT", "The database answered ROLLBACK to COMMIT."),
    };
  }
  if (commit?.value.command === "COMMIT" && failures.length === 0 && warnings.length === 0) {
    return { kind: "committed", written, policy };
  }
  const said = [...failures.map(({ message }) => message), ...warnings].join("; ");
  return {
    kind: "unknown",
    written,
    error: new StoreError("MCA_DATABASE_UNAVAILABLE", `The database's answer to COMMIT is not a clean one: ${said}`),
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

// What a batch adds to the tables that only help to find things: ledger_span and outcome. Pure; nothing here is proof of anything.
import type { OutcomeReport } from "./intent.ts";
import type { Issuance } from "./plan.ts";

/** Indexes per row of ledger_span, and the most that a row of outcome stands for: 2^12 (migrations/0001_foundation.sql). */
export const SPAN_BITS = 12n;

/**
 * The last run of outcomes that begins at an index or before it, if its block has one: runs lie within a block of ledger_span and do not
 * overlap (migrations/0005_cheaper_issuance.sql), so that no other can cover what `from` and `upTo` bound.
 * @param from SQL expression of the first log index that matters; its block is looked at
 * @param upTo of the last one, in the same block
 */
export function lastRun(from: string, upTo: string): string {
  return `
  SELECT coalesce(o.last_index, o.log_index) AS last, o.outcome_index, o.result FROM outcome o
  WHERE o.log_index <= ${upTo} AND o.log_index >= (${from} >> ${SPAN_BITS}) << ${SPAN_BITS} ORDER BY o.log_index DESC LIMIT 1`;
}

/** What a batch adds to a row of ledger_span; times in Unix milliseconds. */
export interface Span {
  readonly block: bigint;
  issuedMin: number | undefined;
  issuedMax: number | undefined;
  notBeforeMin: number | undefined;
  notAfterMax: number | undefined;
  issuances: number;
  outcomes: number;
}

/** By block. */
export function spansOf(issuances: readonly Issuance[], outcomes: readonly OutcomeReport[]): Span[] {
  const spans = new Map<bigint, Span>();
  const spanAt = (logIndex: bigint): Span => {
    const block = logIndex >> SPAN_BITS;
    let span = spans.get(block);
    if (span === undefined) {
      span = {
        block,
        issuedMin: undefined,
        issuedMax: undefined,
        notBeforeMin: undefined,
        notAfterMax: undefined,
        issuances: 0,
        outcomes: 0,
      };
      spans.set(block, span);
    }
    return span;
  };
  for (const { fields, logIndex } of issuances) {
    const span = spanAt(logIndex);
    span.issuances += 1;
    span.issuedMin = Math.min(span.issuedMin ?? fields.issuedAt, fields.issuedAt);
    span.issuedMax = Math.max(span.issuedMax ?? fields.issuedAt, fields.issuedAt);
    span.notBeforeMin = Math.min(span.notBeforeMin ?? fields.notBefore, fields.notBefore);
    span.notAfterMax = Math.max(span.notAfterMax ?? fields.notAfter, fields.notAfter);
  }
  for (const { logIndex } of outcomes) spanAt(logIndex).outcomes += 1;
  return [...spans.values()];
}

/** A row of outcome: the indexes from `first` to `last` ended in the same way. */
export interface Run {
  readonly first: bigint;
  last: bigint;
  readonly result: OutcomeReport["result"];
}

/** Outcomes as runs of consecutive indexes of one block, of one result: mostly one run for all of a batch before. */
export function runsOf(outcomes: readonly OutcomeReport[]): Run[] {
  const runs: Run[] = [];
  let run: Run | undefined;
  for (const { logIndex, result } of outcomes.toSorted(byIndex)) {
    if (
      run !== undefined &&
      run.last + 1n === logIndex &&
      run.result === result &&
      run.first >> SPAN_BITS === logIndex >> SPAN_BITS
    ) {
      run.last = logIndex;
      continue;
    }
    run = { first: logIndex, last: logIndex, result };
    runs.push(run);
  }
  return runs;
}

function byIndex(a: OutcomeReport, b: OutcomeReport): number {
  return a.logIndex < b.logIndex ? -1 : 1;
}

// From a row of the query table to what auditors see.
import { lastRun } from "../query-aids.ts";
import type { IssuanceRow } from "./query.ts";

/** The run of outcomes that covers index `i.log_index`, if that one is covered. */
export const OUTCOME_RUN = lastRun("i.log_index", "i.log_index");

/** Whether the issuance `i` has an outcome, as an expression. */
export const HAS_OUTCOME = `coalesce((SELECT run.last >= i.log_index FROM (${OUTCOME_RUN}) run), false)`;

/**
 * Columns of `issuance i`, in the forms that `toIssuanceRow` reads. The outcome is asked for row by row: PostgreSQL may turn an EXISTS
 * into a hash of the whole table of outcomes, for the sake of a hundred rows.
 */
export const ISSUANCE_COLUMNS = `
  i.log_index, i.kind, i.spiffe_id, encode(i.serial, 'hex') AS serial, i.requester,
  i.lineage, i.rule, i.rule_revision, encode(i.authority, 'hex') AS authority,
  encode(i.spki_sha256, 'hex') AS spki_sha256, i.issued_at, i.not_before, i.not_after,
  ${HAS_OUTCOME} AS has_outcome`;

export interface IssuanceRecordRow {
  readonly log_index: bigint;
  readonly kind: string;
  readonly spiffe_id: string;
  readonly serial: string;
  readonly requester: string;
  readonly lineage: string | null;
  readonly rule: string | null;
  readonly rule_revision: bigint | null;
  readonly authority: string;
  readonly spki_sha256: string;
  readonly issued_at: number;
  readonly not_before: number;
  readonly not_after: number;
  readonly has_outcome: boolean;
}

export function toIssuanceRow(row: IssuanceRecordRow): IssuanceRow {
  return {
    logIndex: row.log_index,
    kind: row.kind,
    spiffeId: row.spiffe_id,
    serial: row.serial,
    requester: row.requester,
    lineage: row.lineage ?? undefined,
    rule: row.rule ?? undefined,
    ruleRevision: row.rule_revision ?? undefined,
    authority: row.authority,
    spkiSha256: row.spki_sha256,
    issuedAt: row.issued_at,
    notBefore: row.not_before,
    notAfter: row.not_after,
    hasOutcome: row.has_outcome,
  };
}

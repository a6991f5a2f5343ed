// The second round trip of a batch: everything it writes, in one statement for what every batch has, and a statement each for what
// only some have. Rows travel as arrays in binary format, one parameter a column. The application role can only add.
import {
  byteaArray,
  float8Array,
  hexArray,
  int8Array,
  textArray,
  timeArray,
  uuidArray,
} from "../store/binary-array.ts";
import { type SqlStatement, sqlTime } from "../store/index.ts";
import type { Pipeline, PipelineAnswer } from "../store/pipeline.ts";
import type { OutcomeReport } from "./intent.ts";
import type { BatchPlan, Issuance } from "./plan.ts";

export const COMMIT: SqlStatement = { name: "ledger_commit", text: "COMMIT" };

/** Indexes per row of ledger_span: 2^12 (migrations/0001_foundation.sql). */
const SPAN_BITS = 12n;

const WRITE: SqlStatement = {
  name: "ledger_write",
  text: `
WITH entry AS (
  INSERT INTO ledger_entry (log_index, leaf_hash, bytes)
  SELECT $1::bigint + n - 1, leaf_hash, bytes
  FROM ROWS FROM (unnest($3::bytea[]), unnest($4::bytea[])) WITH ORDINALITY x (leaf_hash, bytes, n)
), serials AS (
  INSERT INTO serial (serial, log_index)
  SELECT serial, $1::bigint + n - 1 FROM unnest($5::bytea[]) WITH ORDINALITY x (serial, n)
), issued AS (
  INSERT INTO issuance (log_index, serial, kind, spiffe_id, requester, lineage, rule, rule_revision, authority, spki_sha256,
                        issued_at, not_before, not_after)
  SELECT $1::bigint + n - 1, serial, kind, spiffe_id, requester, lineage, rule, rule_revision, authority, spki_sha256,
         issued_at, not_before, not_after
  FROM ROWS FROM (
    unnest($5::bytea[]), unnest($6::text[]), unnest($7::text[]), unnest($8::text[]), unnest($9::uuid[]), unnest($10::text[]),
    unnest($11::int8[]), unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::timestamptz[]), unnest($15::timestamptz[]),
    unnest($16::timestamptz[])
  ) WITH ORDINALITY x (serial, kind, spiffe_id, requester, lineage, rule, rule_revision, authority, spki_sha256,
                       issued_at, not_before, not_after, n)
), renewed AS (
  UPDATE lineage l
  SET current_serial = x.serial, current_spki = x.spki, current_index = x.index, current_used = false,
      current_issued_at = x.issued_at, current_not_after = x.not_after, parent_serial = x.parent,
      quota_left = x.quota_left, quota_at = x.quota_at
  FROM ROWS FROM (
    unnest($17::uuid[]), unnest($18::bytea[]), unnest($19::bytea[]), unnest($20::int8[]), unnest($21::timestamptz[]),
    unnest($22::timestamptz[]), unnest($23::bytea[]), unnest($24::float8[]), unnest($25::timestamptz[])
  ) x (id, serial, spki, index, issued_at, not_after, parent, quota_left, quota_at)
  WHERE l.id = x.id
), outcomes AS (
  INSERT INTO outcome (log_index, outcome_index, result)
  SELECT log_index, $28::bigint, result FROM ROWS FROM (unnest($26::int8[]), unnest($27::text[])) x (log_index, result)
), spans AS (
  INSERT INTO ledger_span AS span (block, issued_min, issued_max, not_before_min, not_after_max, issuances, outcomes)
  SELECT * FROM ROWS FROM (
    unnest($29::int8[]), unnest($30::timestamptz[]), unnest($31::timestamptz[]), unnest($32::timestamptz[]),
    unnest($33::timestamptz[]), unnest($34::int8[]), unnest($35::int8[])
  ) x (block, issued_min, issued_max, not_before_min, not_after_max, issuances, outcomes)
  ON CONFLICT (block) DO UPDATE SET
    issued_min = least(span.issued_min, excluded.issued_min), issued_max = greatest(span.issued_max, excluded.issued_max),
    not_before_min = least(span.not_before_min, excluded.not_before_min),
    not_after_max = greatest(span.not_after_max, excluded.not_after_max),
    issuances = span.issuances + excluded.issuances, outcomes = span.outcomes + excluded.outcomes
)
SELECT ledger_advance($1::bigint, $2::bigint)`,
};

const OPEN_LINEAGES: SqlStatement = {
  name: "ledger_open_lineages",
  text: `
INSERT INTO lineage (id, spiffe_id, rule, attestor, attributes, opened_at, current_serial, current_spki, current_index,
                     current_used, current_issued_at, current_not_after, quota_left, quota_at)
SELECT id, spiffe_id, rule, attestor, attributes::jsonb, issued_at, serial, spki, index, false, issued_at, not_after, quota_left, quota_at
FROM ROWS FROM (
  unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::bytea[]),
  unnest($7::bytea[]), unnest($8::int8[]), unnest($9::timestamptz[]), unnest($10::timestamptz[]), unnest($11::float8[]),
  unnest($12::timestamptz[])
) x (id, spiffe_id, rule, attestor, attributes, serial, spki, index, issued_at, not_after, quota_left, quota_at)`,
};

const REDEEM_TOKENS: SqlStatement = {
  name: "ledger_redeem_tokens",
  text: `
UPDATE join_token t
SET redeemed_at = x.at, redeemed_spki = x.spki, redeemed_index = x.index, lineage = x.lineage
FROM ROWS FROM (unnest($1::bytea[]), unnest($2::timestamptz[]), unnest($3::bytea[]), unnest($4::int8[]), unnest($5::uuid[]))
  x (secret, at, spki, index, lineage)
WHERE t.secret_sha256 = x.secret`,
};

const FREEZE_LINEAGES: SqlStatement = {
  name: "ledger_freeze_lineages",
  text: `
UPDATE lineage l SET frozen_at = $3::timestamptz, frozen_cause = x.cause
FROM ROWS FROM (unnest($1::uuid[]), unnest($2::text[])) x (id, cause) WHERE l.id = x.id AND l.frozen_at IS NULL`,
};

export interface BatchWrite {
  readonly size: bigint;
  readonly plan: BatchPlan;
  /** Recorded by the entry at `outcomeIndex`. */
  readonly outcomes: readonly OutcomeReport[];
  readonly outcomeIndex: bigint | undefined;
  /** Unix milliseconds. */
  readonly now: number;
}

/** Sends the writes and COMMIT in one packet. The last answer is COMMIT's; any may have failed. */
export function sendWrites(pipeline: Pipeline, write: BatchWrite): Promise<PromiseSettledResult<PipelineAnswer>[]> {
  const { plan } = write;
  return pipeline.together(() =>
    Promise.allSettled([
      ...(plan.entries.length === 0 ? [] : [pipeline.send(WRITE, writeValues(write))]),
      ...(plan.opened.size === 0 ? [] : [pipeline.send(OPEN_LINEAGES, openValues(plan))]),
      ...(plan.tokens.size === 0 ? [] : [pipeline.send(REDEEM_TOKENS, redeemValues(plan))]),
      ...(plan.freezes.length === 0 ? [] : [pipeline.send(FREEZE_LINEAGES, freezeValues(plan, write.now))]),
      pipeline.send(COMMIT),
    ]),
  );
}

function writeValues({ size, plan, outcomes, outcomeIndex }: BatchWrite): (Buffer | string)[] {
  const { entries, issuances } = plan;
  const renewed = [...plan.renewed];
  const spans = spansOf(issuances, outcomes);
  return [
    size.toString(),
    (size + BigInt(entries.length)).toString(),
    byteaArray(entries, ({ leafHash }) => leafHash),
    byteaArray(entries, ({ bytes }) => bytes),
    byteaArray(issuances, ({ fields }) => fields.serial),
    textArray(issuances, ({ fields }) => fields.kind),
    textArray(issuances, ({ fields }) => fields.spiffeId),
    textArray(issuances, ({ fields }) => fields.requester),
    uuidArray(issuances, ({ fields }) => (fields.lineage.kind === "none" ? undefined : fields.lineage.id)),
    textArray(issuances, ({ fields }) => fields.rule?.name),
    int8Array(issuances, ({ fields }) => fields.rule?.revision),
    hexArray(issuances, ({ fields }) => fields.authority),
    hexArray(issuances, ({ fields }) => fields.spkiSha256),
    timeArray(issuances, ({ fields }) => fields.issuedAt),
    timeArray(issuances, ({ fields }) => fields.notBefore),
    timeArray(issuances, ({ fields }) => fields.notAfter),
    uuidArray(renewed, ([id]) => id),
    hexArray(renewed, ([, { state }]) => state.currentSerial),
    hexArray(renewed, ([, { state }]) => state.currentSpki),
    int8Array(renewed, ([, { state }]) => state.currentIndex),
    timeArray(renewed, ([, { state }]) => state.currentIssuedAt),
    timeArray(renewed, ([, { state }]) => state.currentNotAfter),
    hexArray(renewed, ([, { state }]) => state.parentSerial),
    float8Array(renewed, ([, { quota }]) => quota.left),
    timeArray(renewed, ([, { quota }]) => quota.at),
    int8Array(outcomes, ({ logIndex }) => logIndex),
    textArray(outcomes, ({ result }) => result),
    (outcomeIndex ?? 0n).toString(),
    int8Array(spans, ({ block }) => block),
    timeArray(spans, ({ issuedMin }) => issuedMin),
    timeArray(spans, ({ issuedMax }) => issuedMax),
    timeArray(spans, ({ notBeforeMin }) => notBeforeMin),
    timeArray(spans, ({ notAfterMax }) => notAfterMax),
    int8Array(spans, ({ issuances: count }) => BigInt(count)),
    int8Array(spans, ({ outcomes: count }) => BigInt(count)),
  ];
}

interface Span {
  readonly block: bigint;
  issuedMin: number | undefined;
  issuedMax: number | undefined;
  notBeforeMin: number | undefined;
  notAfterMax: number | undefined;
  issuances: number;
  outcomes: number;
}

function spansOf(issuances: readonly Issuance[], outcomes: readonly OutcomeReport[]): Span[] {
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

function openValues(plan: BatchPlan): Buffer[] {
  const opened = [...plan.opened];
  return [
    uuidArray(opened, ([id]) => id),
    textArray(opened, ([, { fields }]) => fields.spiffeId),
    textArray(opened, ([, { fields }]) => fields.rule?.name ?? ""),
    textArray(opened, ([, { fields }]) => fields.attestor ?? ""),
    textArray(opened, ([, { fields }]) => JSON.stringify(Object.fromEntries(fields.attributes))),
    hexArray(opened, ([, { state }]) => state.currentSerial),
    hexArray(opened, ([, { state }]) => state.currentSpki),
    int8Array(opened, ([, { state }]) => state.currentIndex),
    timeArray(opened, ([, { state }]) => state.currentIssuedAt),
    timeArray(opened, ([, { state }]) => state.currentNotAfter),
    float8Array(opened, ([, { quota }]) => quota.left),
    timeArray(opened, ([, { quota }]) => quota.at),
  ];
}

function redeemValues(plan: BatchPlan): Buffer[] {
  const redeemed = [...plan.tokens].flatMap(([secret, token]) =>
    token.redeemed === undefined ? [] : [{ secret, ...token.redeemed }],
  );
  return [
    hexArray(redeemed, ({ secret }) => secret),
    timeArray(redeemed, ({ at }) => at),
    hexArray(redeemed, ({ spkiSha256 }) => spkiSha256),
    int8Array(redeemed, ({ logIndex }) => logIndex),
    uuidArray(redeemed, ({ lineage }) => lineage),
  ];
}

function freezeValues(plan: BatchPlan, now: number): (Buffer | string)[] {
  return [
    uuidArray(plan.freezes, ({ lineage }) => lineage),
    textArray(plan.freezes, ({ cause }) => cause),
    sqlTime(now),
  ];
}

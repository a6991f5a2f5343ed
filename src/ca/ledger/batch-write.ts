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
import type { BatchPlan } from "./plan.ts";
import { lastRun, runsOf, spansOf } from "./query-aids.ts";

export const COMMIT: SqlStatement = { name: "ledger_commit", text: "COMMIT" };

/** The end of the last run before or in a new run `x`, if it has one in its block: a run that overlaps another is refused (by a null). */
const LAST_TOLD = `SELECT run.last FROM (${lastRun("x.first", "x.last")}) run`;

const WRITE: SqlStatement = {
  name: "ledger_write",
  text: `
WITH entry AS (
  INSERT INTO ledger_entry (log_index, leaf_hash, bytes)
  SELECT generate_series($1::bigint, $2::bigint - 1), unnest($3::bytea[]), unnest($4::bytea[])
), serials AS (
  INSERT INTO serial (serial, log_index)
  SELECT unnest($5::bytea[]), generate_series($1::bigint, $1::bigint + cardinality($5::bytea[]) - 1)
), issued AS (
  INSERT INTO issuance (log_index, serial, kind, spiffe_id, requester, lineage, rule, rule_revision, authority, spki_sha256,
                        issued_at, not_before, not_after)
  SELECT generate_series($1::bigint, $1::bigint + cardinality($5::bytea[]) - 1), unnest($5::bytea[]), unnest($6::text[]),
         unnest($7::text[]), unnest($8::text[]), unnest($9::uuid[]), unnest($10::text[]), unnest($11::int8[]),
         unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::timestamptz[]), unnest($15::timestamptz[]),
         unnest($16::timestamptz[])
), renewed AS (
  UPDATE lineage l
  SET current_serial = x.serial, current_spki = x.spki, current_index = x.index, current_used = false,
      current_issued_at = x.issued_at, current_not_after = x.not_after, parent_serial = x.parent,
      quota_left = x.quota_left, quota_at = x.quota_at
  FROM (
    SELECT unnest($17::uuid[]) AS id, unnest($18::bytea[]) AS serial, unnest($19::bytea[]) AS spki, unnest($20::int8[]) AS index,
           unnest($21::timestamptz[]) AS issued_at, unnest($22::timestamptz[]) AS not_after, unnest($23::bytea[]) AS parent,
           unnest($24::float8[]) AS quota_left, unnest($25::timestamptz[]) AS quota_at
  ) x
  WHERE l.id = x.id
), outcomes AS (
  INSERT INTO outcome (log_index, last_index, outcome_index, result)
  SELECT x.first, x.last, CASE WHEN (${LAST_TOLD}) >= x.first THEN NULL ELSE $28::bigint END, x.result
  FROM (SELECT unnest($26::int8[]) AS first, unnest($27::int8[]) AS last, unnest($29::text[]) AS result) x
), spans AS (
  INSERT INTO ledger_span AS span (block, issued_min, issued_max, not_before_min, not_after_max, issuances, outcomes, authorities)
  SELECT x.*, CASE WHEN x.issuances > 0 THEN $37::bytea[] ELSE '{}' END
  FROM (SELECT unnest($30::int8[]) AS block, unnest($31::timestamptz[]), unnest($32::timestamptz[]), unnest($33::timestamptz[]),
               unnest($34::timestamptz[]), unnest($35::int8[]) AS issuances, unnest($36::int8[])) x
  ON CONFLICT (block) DO UPDATE SET
    issued_min = least(span.issued_min, excluded.issued_min), issued_max = greatest(span.issued_max, excluded.issued_max),
    not_before_min = least(span.not_before_min, excluded.not_before_min),
    not_after_max = greatest(span.not_after_max, excluded.not_after_max),
    issuances = span.issuances + excluded.issuances, outcomes = span.outcomes + excluded.outcomes,
    authorities = CASE WHEN span.authorities @> excluded.authorities THEN span.authorities
                       ELSE span.authorities || excluded.authorities END
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
  const runs = runsOf(outcomes);
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
    int8Array(runs, ({ first }) => first),
    int8Array(runs, ({ last }) => last),
    (outcomeIndex ?? 0n).toString(),
    textArray(runs, ({ result }) => result),
    int8Array(spans, ({ block }) => block),
    timeArray(spans, ({ issuedMin }) => issuedMin),
    timeArray(spans, ({ issuedMax }) => issuedMax),
    timeArray(spans, ({ notBeforeMin }) => notBeforeMin),
    timeArray(spans, ({ notAfterMax }) => notAfterMax),
    int8Array(spans, ({ issuances: count }) => BigInt(count)),
    int8Array(spans, ({ outcomes: count }) => BigInt(count)),
    hexArray([...new Set(issuances.map(({ fields }) => fields.authority))], itself),
  ];
}

function itself(text: string): string {
  return text;
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

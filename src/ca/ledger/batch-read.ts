// The first round trip of a batch: BEGIN, the head lock, and what the decisions depend on. Everything here is a statement of its
// own behind the lock, because under READ COMMITTED a statement sees what was committed before it began.
import { toHex } from "../../x509/index.ts";
import type { LineageState } from "../lineage/lineage.ts";
import type { QuotaState } from "../lineage/quota.ts";
import { byteaArray, hexArray, textArray, uuidArray } from "../store/binary-array.ts";
import { parseTime } from "../store/column-types.ts";
import type { SqlStatement } from "../store/index.ts";
import type { Pipeline, PipelineAnswer } from "../store/pipeline.ts";
import { LedgerError } from "./errors.ts";
import type { LineageRow, PreparedIntent } from "./plan.ts";
import { currentPolicy, type KnownPolicy, READ_RULES } from "./policy.ts";
import type { TokenState } from "./token.ts";

export const BEGIN: SqlStatement = { name: "ledger_begin", text: "BEGIN" };
export const LOCK_HEAD: SqlStatement = {
  name: "ledger_lock",
  text: "SELECT size, policy_revision FROM ledger_lock_head()",
};
const READ_LINEAGES: SqlStatement = {
  name: "ledger_lineages",
  text: `SELECT id, frozen_at IS NOT NULL, current_serial, current_spki, current_index, current_used, current_issued_at,
                current_not_after, parent_serial, quota_left, quota_at
         FROM lineage WHERE id = ANY ($1::uuid[])`,
};
const READ_TOKENS: SqlStatement = {
  name: "ledger_tokens",
  text: `SELECT secret_sha256, expires_at, voided_at IS NOT NULL, redeemed_at, redeemed_spki, redeemed_index, lineage
         FROM join_token WHERE secret_sha256 = ANY ($1::bytea[])`,
};
/** A certificate that authenticated a connection is used, as long as it is its lineage's newest. */
const MARK_USED: SqlStatement = {
  name: "ledger_mark_used",
  text: `UPDATE lineage l SET current_used = true
         FROM unnest($1::bytea[]) mark (serial)
         JOIN serial s ON s.serial = mark.serial
         JOIN issuance i ON i.log_index = s.log_index
         WHERE l.id = i.lineage AND l.current_serial = mark.serial AND NOT l.current_used`,
};

export interface BatchReads {
  readonly size: bigint;
  readonly lineages: ReadonlyMap<string, LineageRow>;
  readonly tokens: ReadonlyMap<string, TokenState>;
  readonly policy: KnownPolicy;
}

/** Begins the transaction, takes the lock, stores `marks` (serials, lower-case hex), and reads. */
export async function beginBatch(
  pipeline: Pipeline,
  intents: readonly PreparedIntent[],
  marks: readonly string[],
  known: KnownPolicy,
): Promise<BatchReads> {
  const lineages = new Set<string>();
  const tokens = new Map<string, Uint8Array>();
  const rules = new Set<string>();
  for (const { fields } of intents) {
    if (fields.lineage.kind === "renew") lineages.add(fields.lineage.id);
    if (fields.token !== undefined) tokens.set(toHex(fields.token.secretSha256), fields.token.secretSha256);
    if (fields.rule !== undefined) rules.add(fields.rule.name);
  }
  // Read the rules ahead when a name is new; when the policy turns out to have changed they are read again below.
  const newNames = [...rules].some((name) => !known.asked.has(name));
  const [, head, , lineageAnswer, tokenAnswer, ruleAnswer] = await pipeline.together(() =>
    Promise.all([
      pipeline.send(BEGIN),
      pipeline.send(LOCK_HEAD),
      marks.length === 0 ? undefined : pipeline.send(MARK_USED, [hexArray(marks, itself)]),
      lineages.size === 0 ? undefined : pipeline.send(READ_LINEAGES, [uuidArray([...lineages], itself)]),
      tokens.size === 0 ? undefined : pipeline.send(READ_TOKENS, [byteaArray([...tokens.values()], itself)]),
      newNames ? pipeline.send(READ_RULES, [textArray([...rules], itself)]) : undefined,
    ]),
  );
  const { size, policyRevision } = parseHead(head);
  return {
    size,
    lineages: parseLineages(lineageAnswer),
    tokens: parseTokens(tokenAnswer),
    policy: await currentPolicy(pipeline, known, policyRevision, rules, ruleAnswer),
  };
}

export function parseHead(answer: PipelineAnswer): { readonly size: bigint; readonly policyRevision: bigint } {
  const [size, policyRevision] = answer.rows[0] ?? [];
  if (size == null || policyRevision == null) {
    throw new LedgerError("MCA_LEDGER_CORRUPT", "The ledger has no head row. Restore the database from a backup.");
  }
  return { size: BigInt(size), policyRevision: BigInt(policyRevision) };
}

// Columns come in the order of the statements above, as text.
function parseLineages(answer: PipelineAnswer | undefined): ReadonlyMap<string, LineageRow> {
  const rows = new Map<string, LineageRow>();
  for (const row of answer?.rows ?? []) rows.set(row[0] ?? "", new StoredLineage(row));
  return rows;
}

/** A row of READ_LINEAGES. Times that only a repeated key asks for are read when it does. */
class StoredLineage implements LineageRow, LineageState {
  readonly #row: readonly (string | null)[];
  readonly quota: QuotaState;

  constructor(row: readonly (string | null)[]) {
    this.#row = row;
    this.quota = { left: Number(row[9]), at: parseTime(row[10] ?? "") };
  }

  get state(): LineageState {
    return this;
  }

  get frozen(): boolean {
    return this.#row[1] === "t";
  }

  get currentSerial(): string {
    return hexOf(this.#row[2]) ?? "";
  }

  get currentSpki(): string {
    return hexOf(this.#row[3]) ?? "";
  }

  get currentIndex(): bigint {
    return BigInt(this.#row[4] ?? 0);
  }

  get currentUsed(): boolean {
    return this.#row[5] === "t";
  }

  get currentIssuedAt(): number {
    return parseTime(this.#row[6] ?? "");
  }

  get currentNotAfter(): number {
    return parseTime(this.#row[7] ?? "");
  }

  get parentSerial(): string | undefined {
    return hexOf(this.#row[8]);
  }
}

function parseTokens(answer: PipelineAnswer | undefined): ReadonlyMap<string, TokenState> {
  const rows = new Map<string, TokenState>();
  for (const [secret, expiresAt, voided, at, spki, index, lineage] of answer?.rows ?? []) {
    rows.set(hexOf(secret) ?? "", {
      expiresAt: parseTime(expiresAt ?? ""),
      voided: voided === "t",
      redeemed:
        at == null || spki == null || index == null || lineage == null
          ? undefined
          : { at: parseTime(at), spkiSha256: hexOf(spki) ?? "", logIndex: BigInt(index), lineage },
    });
  }
  return rows;
}

/** "\\x0123" */
function hexOf(text: string | null | undefined): string | undefined {
  return text == null ? undefined : text.slice(2);
}

function itself<T>(value: T): T {
  return value;
}

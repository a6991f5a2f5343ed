// The SQL of join tokens. Redemption is not here: it happens in the ledger's own transaction.
import type { Queryable, SqlStatement } from "../../ca/index.ts";
import { sqlTime } from "../../ca/index.ts";
import type { Attributes } from "../registry/index.ts";

const COLUMNS =
  "id, attestor, attributes, created_at, created_by, rules_revision, expires_at, redeemed_at, voided_at, lineage";

const insertToken: SqlStatement = {
  name: "token-insert",
  text: `INSERT INTO join_token (secret_sha256, id, attestor, attributes, created_at, created_by, rules_revision, expires_at)
         VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8)`,
};
const selectBySecret: SqlStatement = {
  name: "token-select-by-secret",
  text: `SELECT ${COLUMNS} FROM join_token WHERE secret_sha256 = $1`,
};
const selectById: SqlStatement = {
  name: "token-select-by-id",
  text: `SELECT ${COLUMNS} FROM join_token WHERE id = $1::uuid`,
};
const selectPage: SqlStatement = {
  name: "token-select-page",
  text: `SELECT ${COLUMNS} FROM join_token
         WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1::timestamptz, $2::uuid)
         ORDER BY created_at DESC, id DESC LIMIT $3`,
};
const voidToken: SqlStatement = {
  name: "token-void",
  text: "UPDATE join_token SET voided_at = $2 WHERE id = $1::uuid AND voided_at IS NULL AND redeemed_at IS NULL",
};

/** A token as stored. The secret is not: only its SHA-256 is, and that stays inside the statements. */
export interface TokenRow {
  readonly id: string;
  readonly attestor: string;
  /** Without the instance. */
  readonly attributes: Attributes;
  /** Times in Unix milliseconds. */
  readonly createdAt: number;
  readonly createdBy: string;
  /** Revision of the rules when it was made. */
  readonly rulesRevision: bigint;
  readonly expiresAt: number;
  readonly redeemedAt: number | undefined;
  readonly voidedAt: number | undefined;
  readonly lineage: string | undefined;
}

interface RawRow {
  readonly id: string;
  readonly attestor: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly created_at: number;
  readonly created_by: string;
  readonly rules_revision: bigint;
  readonly expires_at: number;
  readonly redeemed_at: number | null;
  readonly voided_at: number | null;
  readonly lineage: string | null;
}

/** A new token. */
export interface NewToken {
  readonly secretSha256: Uint8Array;
  readonly id: string;
  readonly attestor: string;
  readonly attributes: Attributes;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly rulesRevision: bigint;
  readonly expiresAt: number;
}

export async function writeToken(tx: Queryable, token: NewToken): Promise<void> {
  await tx.query(insertToken, [
    token.secretSha256,
    token.id,
    token.attestor,
    JSON.stringify(Object.fromEntries(token.attributes)),
    sqlTime(token.createdAt),
    token.createdBy,
    token.rulesRevision,
    sqlTime(token.expiresAt),
  ]);
}

export async function findTokenBySecret(from: Queryable, secretSha256: Uint8Array): Promise<TokenRow | undefined> {
  return toRow((await from.query<RawRow>(selectBySecret, [secretSha256]))[0]);
}

/** `id` must have the form of a UUID. */
export async function findTokenById(from: Queryable, id: string): Promise<TokenRow | undefined> {
  return toRow((await from.query<RawRow>(selectById, [id]))[0]);
}

/** Newest first, from the one after `after`. */
export async function readTokens(
  from: Queryable,
  after: { readonly createdAt: number; readonly id: string } | undefined,
  limit: number,
): Promise<readonly TokenRow[]> {
  const values = [after === undefined ? null : sqlTime(after.createdAt), after?.id ?? null, limit];
  const rows = await from.query<RawRow>(selectPage, values);
  return rows.flatMap((row) => toRow(row) ?? []);
}

export async function markVoided(tx: Queryable, id: string, time: number): Promise<void> {
  await tx.query(voidToken, [id, sqlTime(time)]);
}

function toRow(row: RawRow | undefined): TokenRow | undefined {
  if (row === undefined) return undefined;
  return {
    id: row.id,
    attestor: row.attestor,
    attributes: new Map(Object.entries(row.attributes)),
    createdAt: row.created_at,
    createdBy: row.created_by,
    rulesRevision: row.rules_revision,
    expiresAt: row.expires_at,
    redeemedAt: row.redeemed_at ?? undefined,
    voidedAt: row.voided_at ?? undefined,
    lineage: row.lineage ?? undefined,
  };
}

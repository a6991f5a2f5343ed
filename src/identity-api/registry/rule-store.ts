// The SQL of the rules. Every write happens inside a ledger transaction, under the head lock.
import type { Queryable, SqlStatement } from "../../ca/index.ts";
import { sqlTime } from "../../ca/index.ts";
import { parseRule } from "./parse-rule.ts";
import { ruleToJson } from "./rule-json.ts";
import type { RuleDefinition, RuleSource, StoredRule } from "./types.ts";

/** The channel that every replica listens on. */
export const RULES_CHANNEL = "mesh_ca_rules";

const selectRules: SqlStatement = {
  name: "registry-select-rules",
  // One statement, so that sets and rules are of one moment.
  text: `SELECT s.source, s.revision AS set_revision, s.config_hash, r.name, r.revision, r.definition
         FROM rule_set s LEFT JOIN identity_rule r ON r.source = s.source`,
};
const selectRevision: SqlStatement = {
  name: "registry-select-revision",
  text: "SELECT coalesce(max(revision), 0) AS revision FROM rule_set",
};
const drawRevision: SqlStatement = {
  name: "registry-draw-revision",
  text: "SELECT nextval('rule_revision_seq') AS revision",
};
const upsertRules: SqlStatement = {
  name: "registry-upsert-rules",
  text: `INSERT INTO identity_rule (name, source, revision, definition, updated_at)
         SELECT name, $3, $4, definition::jsonb, $5::timestamptz FROM unnest($1::text[], $2::text[]) AS given (name, definition)
         ON CONFLICT (name) DO UPDATE
           SET revision = excluded.revision, definition = excluded.definition, updated_at = excluded.updated_at
           WHERE identity_rule.source = excluded.source
         RETURNING name`,
};
const deleteRules: SqlStatement = {
  name: "registry-delete-rules",
  text: "DELETE FROM identity_rule WHERE name = ANY ($1::text[]) AND source = $2 RETURNING name",
};
const upsertSet: SqlStatement = {
  name: "registry-upsert-set",
  text: `INSERT INTO rule_set (source, revision, config_hash) VALUES ($1, $2, $3)
         ON CONFLICT (source) DO UPDATE SET revision = excluded.revision, config_hash = excluded.config_hash`,
};
const selectFile: SqlStatement = {
  name: "registry-select-file",
  text: "SELECT config_hash FROM rule_file WHERE replica = $1",
};
const upsertFile: SqlStatement = {
  name: "registry-upsert-file",
  text: `INSERT INTO rule_file (replica, config_hash, loaded_at) VALUES ($1, $2, $3::timestamptz)
         ON CONFLICT (replica) DO UPDATE SET config_hash = excluded.config_hash, loaded_at = excluded.loaded_at`,
};
const notify: SqlStatement = { name: "registry-notify", text: `SELECT pg_notify('${RULES_CHANNEL}', $1)` };

interface RuleRow {
  readonly source: RuleSource;
  readonly set_revision: bigint;
  readonly config_hash: Uint8Array | null;
  readonly name: string | null;
  readonly revision: bigint | null;
  readonly definition: unknown;
}

/** All rules of one moment. */
export interface RuleState {
  readonly rules: readonly StoredRule[];
  /** Grows with every change; 0 before the first. */
  readonly revision: bigint;
  /** SHA-256 of the rules of the configuration file that was taken over last, lower-case hex; undefined before the first. */
  readonly configHash: string | undefined;
}

/** Reads all rules. Those of `known` that did not change are given again as they are. */
export async function readRules(from: Queryable, known: readonly StoredRule[] = []): Promise<RuleState> {
  const unchanged = new Map(known.map((rule) => [`${rule.source} ${rule.revision} ${rule.definition.name}`, rule]));
  const rows = await from.query<RuleRow>(selectRules);
  const rules: StoredRule[] = [];
  let revision = 0n;
  let configHash: string | undefined;
  for (const row of rows) {
    if (row.set_revision > revision) revision = row.set_revision;
    if (row.config_hash !== null) configHash = Buffer.from(row.config_hash).toString("hex");
    if (row.name === null || row.revision === null) continue;
    const { source, revision: ruleRevision, name } = row;
    const present = unchanged.get(`${source} ${ruleRevision} ${name}`);
    rules.push(present ?? { definition: parseRule(row.definition, name), source, revision: ruleRevision });
  }
  return { rules, revision, configHash };
}

/** The hash of the file with which the replica started last, lower-case hex. */
export async function lastFileOf(from: Queryable, replica: number): Promise<string | undefined> {
  const [row] = await from.query<{ readonly config_hash: Uint8Array }>(selectFile, [replica]);
  return row === undefined ? undefined : Buffer.from(row.config_hash).toString("hex");
}

/** Remembers with which file the replica has started. `time`: Unix milliseconds. */
export async function rememberFile(tx: Queryable, replica: number, hash: Uint8Array, time: number): Promise<void> {
  await tx.query(upsertFile, [replica, hash, sqlTime(time)]);
}

/** The revision of all rules together. */
export async function readRevision(from: Queryable): Promise<bigint> {
  const rows = await from.query<{ readonly revision: bigint }>(selectRevision);
  return rows[0]?.revision ?? 0n;
}

/** One change of rules of one source. */
export interface RuleChange {
  readonly source: RuleSource;
  readonly put: readonly RuleDefinition[];
  readonly remove: readonly string[];
  /** Only with the source "config". */
  readonly configHash?: Uint8Array;
  /** Unix milliseconds. */
  readonly time: number;
}

/** Writes a change under a fresh revision, which it answers, and tells the other replicas at commit. */
export async function writeRules(tx: Queryable, change: RuleChange): Promise<bigint> {
  const drawn = await tx.query<{ readonly revision: bigint }>(drawRevision);
  const revision = drawn[0]?.revision;
  if (revision === undefined) throw new TypeError("rule_revision_seq gave no value");
  if (change.put.length > 0) {
    const names = change.put.map((rule) => rule.name);
    const definitions = change.put.map((rule) => JSON.stringify(ruleToJson(rule)));
    const values = [names, definitions, change.source, revision, sqlTime(change.time)];
    const written = await tx.query(upsertRules, values);
    // A row of the other source is never overwritten; the caller has checked, under the same lock, that there is none.
    if (written.length !== change.put.length) throw new TypeError("a rule of the other source stood in the way");
  }
  if (change.remove.length > 0) await tx.query(deleteRules, [change.remove, change.source]);
  await tx.query(upsertSet, [change.source, revision, change.configHash ?? null]);
  await tx.query(notify, [revision.toString()]);
  return revision;
}

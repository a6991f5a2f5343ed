// Changes of rules: each in one ledger transaction, under the head lock, with the entries that record it. Rules of the configuration
// belong to the configuration, rules of the API to the API; neither ever overwrites the other's.
import type { Ledger, LedgerTransaction } from "../../ca/index.ts";
import { RegistryError } from "./errors.ts";
import { canonicalRule, hashRules, ruleToJson } from "./rule-json.ts";
import { lastFileOf, readRules, rememberFile, writeRules } from "./rule-store.ts";
import type { RuleDefinition, StoredRule } from "./types.ts";

/** Who replaces the configuration's rules, as the ledger tells it. */
const CONFIG_REQUESTER = "config";

/**
 * Creates or replaces rules of source "api", all or none, and answers all rules. One that is already so keeps its revision.
 * @throws RegistryError MCA_RULE_READ_ONLY
 */
export async function applyRules(
  ledger: Ledger,
  definitions: readonly RuleDefinition[],
  requester: string,
  time: number,
): Promise<readonly StoredRule[]> {
  return await ledger.transact(async (tx) => {
    const { rules } = await readRules(tx);
    const present = byName(rules);
    for (const { name } of definitions) if (present.get(name)?.source === "config") throw readOnly(name);
    const put = changedFrom(rules, definitions);
    if (put.length === 0) return rules;
    const source = "api";
    const revision = (await writeRules(tx, { source, put, remove: [], time })).toString();
    for (const rule of put) {
      const { name } = rule;
      tx.append({ kind: "rule.applied", time, name, source, revision, definition: ruleToJson(rule), requester });
    }
    return (await readRules(tx)).rules;
  });
}

/** Deletes a rule of source "api". @throws RegistryError MCA_RULE_NOT_FOUND, MCA_RULE_READ_ONLY */
export async function deleteRule(ledger: Ledger, name: string, requester: string, time: number): Promise<void> {
  await ledger.transact(async (tx) => {
    const rule = byName((await readRules(tx)).rules).get(name);
    if (rule === undefined) {
      throw new RegistryError("MCA_RULE_NOT_FOUND", "No rule has this name. See the names with: npx mesh-ca rule list");
    }
    if (rule.source === "config") throw readOnly(name);
    const revision = await writeRules(tx, { source: "api", put: [], remove: [name], time });
    tx.append({ kind: "rule.deleted", time, name, source: "api", revision: revision.toString(), requester });
  });
}

/** The rules of one replica's configuration file. */
export interface RuleFile {
  readonly replica: number;
  readonly definitions: readonly RuleDefinition[];
  /** Of `definitions`. */
  readonly hash: Uint8Array;
}

/**
 * Makes the rules of a configuration file those of the database, as one revision. Does nothing where they are that already, as the rules
 * themselves show, not what was noted of them; and nothing where another replica has brought other rules since this one started last,
 * with the same file as now: what is older must not come back because a machine was restarted.
 * @throws RegistryError MCA_RULE_NAME_TAKEN
 */
export async function takeOverFile(ledger: Ledger, file: RuleFile, time: number): Promise<void> {
  const { replica, hash } = file;
  const wanted = Buffer.from(hash).toString("hex");
  await ledger.transact(async (tx) => {
    const { rules, configHash } = await readRules(tx);
    const last = await lastFileOf(tx, replica);
    const outdated = last === wanted && configHash !== undefined && configHash !== wanted;
    if (outdated) return;
    if (configHash !== wanted || configHashOf(rules) !== wanted) await replaceConfigRules(tx, rules, file, time);
    if (last !== wanted) await rememberFile(tx, replica, hash, time);
  });
}

/** The hash of the configuration's rules as they stand in the database, lower-case hex. */
export function configHashOf(rules: readonly StoredRule[]): string {
  const definitions = rules.filter((rule) => rule.source === "config").map((rule) => rule.definition);
  return Buffer.from(hashRules(definitions)).toString("hex");
}

async function replaceConfigRules(
  tx: LedgerTransaction,
  rules: readonly StoredRule[],
  { definitions, hash }: RuleFile,
  time: number,
): Promise<void> {
  const stored = byName(rules);
  for (const { name } of definitions) if (stored.get(name)?.source === "api") throw nameTaken(name);
  const names = new Set(definitions.map((rule) => rule.name));
  const present = rules.filter((rule) => rule.source === "config");
  const put = changedFrom(present, definitions);
  const remove = present.map((rule) => rule.definition.name).filter((name) => !names.has(name));
  const revision = await writeRules(tx, { source: "config", put, remove, configHash: hash, time });
  const common = { time, source: "config", revision: revision.toString(), requester: CONFIG_REQUESTER } as const;
  for (const rule of put) {
    tx.append({ kind: "rule.applied", ...common, name: rule.name, definition: ruleToJson(rule) });
  }
  for (const name of remove) tx.append({ kind: "rule.deleted", ...common, name });
  tx.append({ kind: "rule.set", ...common, configHash: Buffer.from(hash).toString("base64") });
}

function byName(rules: readonly StoredRule[]): ReadonlyMap<string, StoredRule> {
  return new Map(rules.map((rule) => [rule.definition.name, rule]));
}

/** Those of `wanted` that are new or differ from what is stored. */
function changedFrom(present: readonly StoredRule[], wanted: readonly RuleDefinition[]): readonly RuleDefinition[] {
  const known = new Map(present.map((rule) => [rule.definition.name, canonicalRule(rule.definition)]));
  return wanted.filter((rule) => known.get(rule.name) !== canonicalRule(rule));
}

function readOnly(name: string): RegistryError {
  return new RegistryError(
    "MCA_RULE_READ_ONLY",
    `Rule "${name}" comes from the configuration file. Change it there and restart the server.`,
    { details: { rule: name } },
  );
}

function nameTaken(name: string): RegistryError {
  return new RegistryError(
    "MCA_RULE_NAME_TAKEN",
    `Rule "${name}" of the configuration file has the name of a rule that was made by the API. Rename it in the file.`,
    { details: { rule: name } },
  );
}

// What the head's policy revision stands for: the rules, and which authorities may sign. Whoever holds the head lock and sees the
// revision that he knows need not read them again. An authority that another replica has retired, tainted or revoked signs nothing
// from that moment on, however late the news of it are.
import { textArray } from "../store/binary-array.ts";
import type { SqlStatement } from "../store/index.ts";
import type { Pipeline, PipelineAnswer } from "../store/pipeline.ts";

export const READ_RULES: SqlStatement = {
  name: "ledger_rules",
  text: "SELECT name, revision FROM identity_rule WHERE name = ANY ($1::text[])",
};
/** Those that may sign something: certificates of others, or while they are being tried a probe. */
const READ_AUTHORITIES: SqlStatement = {
  name: "ledger_authorities",
  text: "SELECT encode(spki_sha256, 'hex'), state FROM authority WHERE state IN ('active', 'requested')",
};

/** As read under the lock; true for as long as the head shows the same revision. */
export interface KnownPolicy {
  readonly revision: bigint;
  readonly rules: Map<string, bigint>;
  /** Names of rules that were asked for, found or not. */
  readonly asked: Set<string>;
  /** State of each authority that may sign something, by the SHA-256 of its SubjectPublicKeyInfo in lower-case hex. */
  readonly authorities: ReadonlyMap<string, string>;
}

export const NO_POLICY: KnownPolicy = { revision: -1n, rules: new Map(), asked: new Set(), authorities: new Map() };

/**
 * What holds at `revision`, under the head lock.
 * @param names of the rules that this batch needs
 * @param readAhead the answer to READ_RULES for them, where it was asked together with the lock
 */
export async function currentPolicy(
  pipeline: Pipeline,
  known: KnownPolicy,
  revision: bigint,
  names: ReadonlySet<string>,
  readAhead: PipelineAnswer | undefined,
): Promise<KnownPolicy> {
  const same = known.revision === revision;
  if (same && readAhead === undefined) return known;
  const [rules, authorities] = await pipeline.together(() =>
    Promise.all([
      readAhead ?? (names.size === 0 ? undefined : pipeline.send(READ_RULES, [textArray([...names], itself)])),
      same ? undefined : pipeline.send(READ_AUTHORITIES),
    ]),
  );
  const policy: KnownPolicy = same
    ? known
    : { revision, rules: new Map(), asked: new Set(), authorities: parseAuthorities(authorities) };
  for (const name of names) policy.asked.add(name);
  for (const [name, ruleRevision] of rules?.rows ?? []) {
    if (name != null && ruleRevision != null) policy.rules.set(name, BigInt(ruleRevision));
  }
  return policy;
}

function parseAuthorities(answer: PipelineAnswer | undefined): ReadonlyMap<string, string> {
  const authorities = new Map<string, string>();
  for (const [spkiSha256, state] of answer?.rows ?? []) {
    if (spkiSha256 != null && state != null) authorities.set(spkiSha256, state);
  }
  return authorities;
}

function itself(text: string): string {
  return text;
}

// Which roles does the peer have right now? Looked up at each call, never cached with the connection:
// certificate -> lineage -> rule -> roles. The SPIFFE ID alone gives none: two rules may grant one ID, and only one carries roles.
import type { PeerVerdict } from "../attest/index.ts";
import type { Role, RuleSet } from "../registry/index.ts";

/** A lineage as far as roles need it (the ledger's lineages.findBySerial). */
export interface RoleLineage {
  readonly id: string;
  readonly rule: string;
  readonly spiffeId: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly openedAt: number;
}

export interface RoleLineages {
  /** `serialHex` lower-case hex. */
  findBySerial(serialHex: string): Promise<RoleLineage | undefined>;
  isFrozen(id: string): Promise<boolean>;
}

const NONE: ReadonlySet<Role> = new Set();

/**
 * Roles of the peer by the current rules: none for everybody but a valid SVID whose lineage is known, not frozen, of the same
 * SPIFFE ID, and whose rule would grant that ID again today. Rejects when the database cannot be asked.
 */
export async function rolesOf(
  verdict: PeerVerdict,
  rules: RuleSet,
  lineages: RoleLineages,
): Promise<ReadonlySet<Role>> {
  if (verdict.kind !== "svid") return NONE;
  const lineage = await lineages.findBySerial(verdict.svid.leaf.serialHex);
  if (lineage === undefined || lineage.spiffeId !== verdict.svid.id.toString()) return NONE;
  const granted = rules.rolesOf(lineage);
  if (granted.size === 0 || (await lineages.isFrozen(lineage.id))) return NONE;
  return granted;
}

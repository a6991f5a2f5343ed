// Which roles does the peer have right now? Looked up at each call, never cached with the connection:
// certificate -> lineage -> rule -> roles. The SPIFFE ID alone gives none: two rules may grant one ID, and only one carries roles.
import type { PeerVerdict } from "../attest/index.ts";
import type { Role, RuleSet } from "../registry/index.ts";

/** A lineage as far as roles need it. */
export interface RoleLineage {
  readonly id: string;
  readonly rule: string;
  readonly spiffeId: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly openedAt: number;
}

export interface RoleLineages {
  /** What the ledger knows of a certificate: a serial number without its own key is worth nothing. */
  find(leaf: {
    /** Lower-case hex, both. */
    readonly serial: string;
    readonly spkiSha256: string;
  }): Promise<
    { readonly kind: "lineage"; readonly lineage: RoleLineage } | { readonly kind: "no-lineage" | "unrecorded" }
  >;
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
  const { serialHex: serial, publicKey } = verdict.svid.leaf;
  const record = await lineages.find({ serial, spkiSha256: publicKey.spkiSha256 });
  if (record.kind !== "lineage") return NONE;
  const { lineage } = record;
  if (lineage.spiffeId !== verdict.svid.id.toString()) return NONE;
  const granted = rules.rolesOf(lineage);
  if (granted.size === 0 || (await lineages.isFrozen(lineage.id))) return NONE;
  return granted;
}

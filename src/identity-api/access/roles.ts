// Which roles does the peer have right now? Looked up at each call: certificate -> lineage -> rule -> roles.
import type { PeerVerdict } from "../attest/index.ts";
import type { Role, RuleSet } from "../registry/index.ts";

/** A lineage as far as roles need it (the ledger's lineages.findBySerial). */
export interface RoleLineage {
  readonly rule: string;
  readonly spiffeId: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly openedAt: number;
  readonly frozenAt?: number | undefined;
}

/** Roles of the peer by the current rules; none for everybody but a valid SVID with a lineage that is not frozen. */
export async function rolesOf(
  _verdict: PeerVerdict,
  _rules: RuleSet,
  _findLineage: (serialHex: string) => Promise<RoleLineage | undefined>,
): Promise<ReadonlySet<Role>> {
  throw new TypeError("not written yet");
}

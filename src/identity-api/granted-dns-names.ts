// Which DNS names certificates of this server may carry: those of its own certificate, and what the rules in force may grant. The name
// constraints of an enterprise CA have to permit them all.
import type { DnsGrant } from "../ca/index.ts";
import type { TrustDomain } from "../spiffe/index.ts";
import type { Config } from "./config/index.ts";
import { type RuleContext, RuleSet } from "./registry/index.ts";
import { ttlBounds } from "./settings.ts";

/** Follows the rules once there are some. */
export class GrantedDnsNames {
  readonly #own: readonly DnsGrant[];
  #rules: (() => RuleSet) | undefined;

  constructor(config: Config) {
    this.#own = config.listen.grpc.dnsNames.map((name) => ({ kind: "exact", name }));
  }

  /** From now on the rules count that this gives. */
  follow(rules: () => RuleSet): void {
    this.#rules = rules;
  }

  current(): readonly DnsGrant[] {
    return [...this.#own, ...(this.#rules?.().dnsGrants() ?? [])];
  }
}

/** The rules of the configuration alone, before there is a database with rules. @throws RuleError */
export function configuredRules(config: Config, trustDomain: TrustDomain): RuleSet {
  const attestors = Object.entries(config.attestors).map(([name, { kind }]): RuleContext["attestors"][number] => ({
    name,
    kind,
    attributeNames: undefined,
  }));
  return RuleSet.parse(config.rules, { trustDomain, attestors, ttl: ttlBounds(config) });
}

// An immutable snapshot of all rules, in order of precedence: the highest priority, then the most selectors, then the name.
import type { Grant } from "../../ca/index.ts";
import type { RegistryError } from "./errors.ts";
import type { Attributes, Role, RuleContext, RuleVerdict, StoredRule } from "./types.ts";

/** What the rules say to a set of attributes. */
export interface Evaluation {
  /** Every rule, in order of precedence. */
  readonly verdicts: readonly RuleVerdict[];
  /** What the deciding rule grants. */
  readonly grant?: Grant;
  /** Why nothing is granted (MCA_NO_RULE_MATCHES, MCA_RULE_ATTRIBUTE_REFUSED). Set exactly when `grant` is not. */
  readonly refusal?: RegistryError;
}

/** What a renewal is judged on: the lineage as the database holds it. */
export interface RenewalSubject {
  readonly rule: string;
  readonly spiffeId: string;
  readonly attributes: Attributes;
  /** Unix milliseconds. */
  readonly openedAt: number;
  /** Set when the presented certificate has expired: its notAfter. */
  readonly expiredAt?: number | undefined;
}

export class RuleSet {
  /** Checks rules as they are written and throws RuleError at the first that cannot be taken. */
  static parse(_rules: readonly unknown[], _context: RuleContext): RuleSet {
    throw new TypeError("not written yet");
  }

  /** Rules out of the database: one that no longer fits this configuration is kept, never matches, and says why. */
  static load(_rules: readonly StoredRule[], _context: RuleContext, _revision: bigint): RuleSet {
    throw new TypeError("not written yet");
  }

  /** Grows with each change of any rule. */
  get revision(): bigint {
    throw new TypeError("not written yet");
  }

  /** In order of precedence. */
  get rules(): readonly StoredRule[] {
    throw new TypeError("not written yet");
  }

  /** Which rule decides, and a reason for each. `ttlSeconds` 0: what the rule grants. */
  evaluate(_attributes: Attributes, _ttlSeconds?: number): Evaluation {
    throw new TypeError("not written yet");
  }

  /** Evaluates the same rule again, at its current revision. Throws RegistryError MCA_RULE_GONE, MCA_RENEWAL_*, MCA_LINEAGE_TOO_OLD. */
  renew(_subject: RenewalSubject, _now: number, _ttlSeconds?: number): Grant {
    throw new TypeError("not written yet");
  }

  /** Roles that the rule of a lineage grants right now; empty when `renew` would refuse the same attributes and ID. */
  rolesOf(_subject: RenewalSubject): ReadonlySet<Role> {
    throw new TypeError("not written yet");
  }

  /** Every rule with roles that these attributes match, decisive or not: making such a token needs an admin. */
  roleBearingMatches(_attributes: Attributes): readonly string[] {
    throw new TypeError("not written yet");
  }
}

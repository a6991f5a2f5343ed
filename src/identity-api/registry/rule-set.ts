// An immutable snapshot of all rules, in order of precedence.
import type { DnsGrant, Grant } from "../../ca/index.ts";
import { type CompiledRule, compileRule } from "./compile-rule.ts";
import { dnsGrantOf, uniqueGrants } from "./dns-grants.ts";
import { RegistryError, RuleError } from "./errors.ts";
import {
  comparePrecedence,
  type Evaluation,
  evaluateRules,
  grantOf,
  type LoadedRule,
  matchingRules,
  noMatch,
  selectorsMatch,
} from "./evaluate.ts";
import { parseRule } from "./parse-rule.ts";
import { currentGrant, type RenewalSubject, renewGrant } from "./renewal.ts";
import { type Attributes, type Role, type RuleContext, roles, type StoredRule } from "./types.ts";

/** Fresh evidence. */
export interface EnrolmentSubject {
  readonly attributes: Attributes;
  /** Join tokens only: the revision of the rules when the token was made. */
  readonly rulesRevision?: bigint | undefined;
}

export class RuleSet {
  /** Grows with each change of any rule. */
  readonly revision: bigint;
  /** In order of precedence. */
  readonly rules: readonly StoredRule[];
  readonly #loaded: readonly LoadedRule[];
  readonly #byName: ReadonlyMap<string, LoadedRule>;

  private constructor(loaded: readonly LoadedRule[], revision: bigint) {
    this.#loaded = [...loaded].sort((a, b) => comparePrecedence(a.stored, b.stored));
    this.#byName = new Map(this.#loaded.map((rule) => [rule.stored.definition.name, rule]));
    this.rules = this.#loaded.map((rule) => rule.stored);
    this.revision = revision;
  }

  /** Checks rules as they are written. @throws RuleError at the first that cannot be taken */
  static parse(rules: readonly unknown[], context: RuleContext): RuleSet {
    const loaded = parseRules(rules, context).map((compiled): LoadedRule => {
      const stored: StoredRule = { definition: compiled.definition, source: "config", revision: 0n };
      return { kind: "active", stored, compiled };
    });
    return new RuleSet(loaded, 0n);
  }

  /**
   * Rules out of the database: one that does not fit this configuration is kept, never matches, and says why. `previous`, of the
   * same context, spares the work for rules that did not change.
   */
  static load(rules: readonly StoredRule[], context: RuleContext, revision: bigint, previous?: RuleSet): RuleSet {
    const loaded = rules.map((stored) => {
      const known = previous === undefined ? undefined : previous.#byName.get(stored.definition.name);
      return known?.stored === stored ? known : loadRule(stored, context);
    });
    return new RuleSet(loaded, revision);
  }

  /** Which rule decides, and a reason for each. `ttlSeconds` 0: what the rule grants. */
  evaluate(attributes: Attributes, ttlSeconds = 0): Evaluation {
    return evaluateRules(this.#loaded, attributes, ttlSeconds);
  }

  /**
   * What fresh evidence earns. Making a token that matches a rule with roles needs an admin, and that is judged when the token is
   * made; so a rule with roles that came or changed later gives nothing to it.
   * @throws RegistryError MCA_NO_RULE_MATCHES, MCA_RULE_ATTRIBUTE_REFUSED, MCA_RULE_NEWER_THAN_TOKEN
   */
  enrol(subject: EnrolmentSubject, ttlSeconds = 0): Grant {
    const { attributes, rulesRevision } = subject;
    const { value: deciding } = matchingRules(this.#loaded, attributes).next();
    if (deciding === undefined) throw noMatch(attributes);
    const grant = grantOf(deciding, attributes, ttlSeconds);
    if (grant.roles.length > 0 && rulesRevision !== undefined && grant.ruleRevision > rulesRevision) {
      throw new RegistryError(
        "MCA_RULE_NEWER_THAN_TOKEN",
        `Rule "${grant.rule}" carries roles and is newer than this join token. Ask an admin for a new token.`,
        { details: { rule: grant.rule } },
      );
    }
    return grant;
  }

  /**
   * Evaluates the lineage's rule again, at its current revision. `now` in Unix milliseconds.
   * @throws RegistryError MCA_RULE_GONE, MCA_RULE_INACTIVE, MCA_RENEWAL_*, MCA_LINEAGE_TOO_OLD, MCA_RULE_ATTRIBUTE_REFUSED
   */
  renew(subject: RenewalSubject, now: number, ttlSeconds = 0): Grant {
    return renewGrant(this.#byName.get(subject.rule), subject, now, ttlSeconds);
  }

  /** Roles that the rule of a lineage grants right now; none where that rule would no longer grant this ID. */
  rolesOf(subject: RenewalSubject): ReadonlySet<Role> {
    try {
      return withImplied(currentGrant(this.#byName.get(subject.rule), subject).roles);
    } catch (error) {
      if (error instanceof RegistryError) return new Set();
      throw error;
    }
  }

  /**
   * Every rule with roles that these attributes match, decisive or not: making such a token needs an admin. A rule that is not in
   * force here counts too: it may be on another replica, or after a restart, at the same revision.
   */
  roleBearingMatches(attributes: Attributes): readonly string[] {
    return this.#loaded.flatMap((rule) => {
      const { definition } = rule.stored;
      return definition.roles.length > 0 && selectorsMatch(rule, attributes) ? [definition.name] : [];
    });
  }

  /** Which DNS names the rules that are in force here may ever grant, each once. */
  dnsGrants(): readonly DnsGrant[] {
    return uniqueGrants(
      this.#loaded.flatMap((rule) => {
        if (rule.kind === "inactive") return [];
        const selectors = new Map(rule.compiled.selectors.map(({ name, pattern }) => [name, pattern]));
        return rule.compiled.dnsNames.map((template) => dnsGrantOf(template, selectors));
      }),
    );
  }

  /** Rules that are stored but not in force here, each with its reason. */
  inactive(): readonly { readonly rule: string; readonly problem: string }[] {
    return this.#loaded.flatMap((rule) =>
      rule.kind === "inactive" ? [{ rule: rule.stored.definition.name, problem: rule.problem }] : [],
    );
  }
}

/** Parses and judges a list of rules; their names must differ. @throws RuleError */
export function parseRules(rules: readonly unknown[], context: RuleContext): readonly CompiledRule[] {
  const compiled = rules.map((rule, index) => compileRule(parseRule(rule, `number ${index + 1}`), context));
  const names = new Set<string>();
  for (const { definition } of compiled) {
    if (names.has(definition.name)) throw new RuleError(definition.name, "name", "two rules have this name.");
    names.add(definition.name);
  }
  return compiled;
}

function loadRule(stored: StoredRule, context: RuleContext): LoadedRule {
  try {
    return { kind: "active", stored, compiled: compileRule(stored.definition, context) };
  } catch (error) {
    if (error instanceof RuleError) return { kind: "inactive", stored, problem: error.message };
    throw error;
  }
}

/** `admin` includes the two other roles. */
function withImplied(granted: Grant["roles"]): ReadonlySet<Role> {
  return new Set(roles.filter((role) => granted.includes("admin") || granted.includes(role)));
}

// Compiled policies. Immutable: a reload makes a new set. deny goes before allow, and what nothing allows is denied; the order in the
// file never matters: where several policies match, the one that is told is the first by name.
import { inForce, type Policy, type Rule } from "./compile.ts";
import { attributesOf, connectionOutcome, counts, matchesAll } from "./conditions.ts";
import type {
  ConnectionDecider,
  ConnectionPolicyInput,
  Decision,
  HttpPolicyInput,
  PolicyInput,
  PolicyMatch,
} from "./decision.ts";
import type { PolicyDocument } from "./schema.ts";

const NONE: readonly never[] = Object.freeze([]);

const DEFAULT_DENY: Decision = Object.freeze({
  effect: "deny",
  ...{ policy: undefined, rule: undefined, reason: "default-deny", dryRun: NONE, audit: NONE },
});

const REFUSED: Decision = Object.freeze({ ...DEFAULT_DENY, reason: "refused" });

export class PolicySet {
  /** No policies: everything is denied. */
  static readonly empty = new PolicySet([], { policies: [] });

  /** By name. */
  readonly policies: readonly Policy[];
  /** What it was made of: plain data, for handing on to another process (assemblePolicies). */
  readonly document: PolicyDocument;
  /** Names of the fields that policies in force look at, in lower case: a request that has one of them twice is refused. */
  readonly fieldNames: ReadonlySet<string>;
  /** Whether a policy in force names paths or methods: fields that override them are refused then. */
  readonly namesTargets: boolean;
  readonly #fieldNames: readonly string[];

  /** Made by parsePolicies. @param document what `policies` were compiled from */
  constructor(policies: readonly Policy[], document: PolicyDocument) {
    this.policies = policies.toSorted((one, other) => (one.name < other.name ? -1 : 1));
    this.document = document;
    const conditions = policies.filter(inForce).flatMap(({ rules }) => rules.flatMap(({ request }) => request));
    this.fieldNames = new Set(conditions.flatMap((condition) => ("name" in condition ? [condition.name] : [])));
    this.namesTargets = conditions.some(({ kind }) => kind === "path" || kind === "method");
    this.#fieldNames = [...this.fieldNames];
  }

  /** Narrows to what is constant on a connection: what is left of the policies looks at requests only. */
  forConnection(connection: ConnectionPolicyInput): ConnectionDecider {
    const attributes = attributesOf(connection);
    const deny: Rule[] = [];
    const allow: Rule[] = [];
    const observing: ObservingPolicy[] = [];
    for (const policy of this.policies) {
      if (policy.listeners !== undefined && !policy.listeners.has(connection.listener)) continue;
      const rules = policy.rules.filter(({ connection: conditions, missing }) =>
        conditions.every((condition) => counts(connectionOutcome(condition, attributes), missing)),
      );
      if (rules.length === 0) continue;
      if (!inForce(policy)) observing.push({ rules, dryRun: policy.dryRun });
      else if (policy.action === "deny") deny.push(...rules);
      else allow.push(...rules);
    }
    return new NarrowedPolicies(deny, allow, observing, this.#fieldNames);
  }

  /** Decides. The order of policies never matters. */
  decide(input: PolicyInput): Decision {
    return this.forConnection(input).decide(input.http);
  }
}

/** A policy that only tells. */
interface ObservingPolicy {
  readonly rules: readonly Rule[];
  readonly dryRun: boolean;
}

class NarrowedPolicies implements ConnectionDecider {
  readonly allowsNothing: boolean;
  readonly #deny: readonly Rule[];
  readonly #allow: readonly Rule[];
  readonly #observing: readonly ObservingPolicy[];
  readonly #fieldNames: readonly string[];

  constructor(
    deny: readonly Rule[],
    allow: readonly Rule[],
    observing: readonly ObservingPolicy[],
    fieldNames: readonly string[],
  ) {
    this.#deny = deny;
    this.#allow = allow;
    this.#observing = observing;
    this.#fieldNames = fieldNames;
    this.allowsNothing = allow.length === 0 || deny.some(({ request }) => request.length === 0);
  }

  decide(http: HttpPolicyInput | undefined): Decision {
    const decision = this.#judge(http);
    return this.#observing.length === 0 ? decision : this.#observe(decision, http);
  }

  #judge(http: HttpPolicyInput | undefined): Decision {
    // The engine refuses such a request before: here it is kept out a second time.
    if (http !== undefined && hasNamedTwice(http.fields, this.#fieldNames)) return REFUSED;
    for (const rule of this.#deny) if (matchesAll(rule.request, http, rule.missing)) return rule.decision;
    for (const rule of this.#allow) if (matchesAll(rule.request, http, rule.missing)) return rule.decision;
    return DEFAULT_DENY;
  }

  #observe(decision: Decision, http: HttpPolicyInput | undefined): Decision {
    let dryRun: readonly PolicyMatch[] = NONE;
    let audit: readonly PolicyMatch[] = NONE;
    for (const policy of this.#observing) {
      const rule = policy.rules.find(({ request, missing }) => matchesAll(request, http, missing));
      if (rule === undefined) continue;
      if (policy.dryRun) dryRun = [...dryRun, rule.match];
      else audit = [...audit, rule.match];
    }
    return dryRun === NONE && audit === NONE ? decision : { ...decision, dryRun, audit };
  }
}

function hasNamedTwice(fields: readonly string[], names: readonly string[]): boolean {
  for (const name of names) {
    let found = false;
    for (let index = 0; index < fields.length; index += 2) {
      if (fields[index] !== name) continue;
      if (found) return true;
      found = true;
    }
  }
  return false;
}

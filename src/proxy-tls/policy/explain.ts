// Why a decision is what it is: every policy, every rule and every condition, with what it found. Only for people who ask; what decides is
// PolicySet, and this room's tests hold the two together.
import type { Policy } from "./compile.ts";
import {
  attributesOf,
  type ConnectionCondition,
  connectionOutcome,
  counts,
  type Outcome,
  type RequestCondition,
  requestOutcome,
} from "./conditions.ts";
import type { Decision, HttpPolicyInput, PolicyInput } from "./decision.ts";
import type { PolicySet } from "./policy-set.ts";

export interface Explanation {
  readonly decision: Decision;
  readonly policies: readonly ExplainedPolicy[];
}

export interface ExplainedPolicy {
  readonly policy: string;
  readonly action: Policy["action"];
  readonly dryRun: boolean;
  /** False: it is for other listeners. */
  readonly applies: boolean;
  readonly matched: boolean;
  /** In the file's order; empty where the policy does not apply. */
  readonly rules: readonly ExplainedRule[];
}

export interface ExplainedRule {
  readonly matched: boolean;
  readonly conditions: readonly ExplainedCondition[];
}

export interface ExplainedCondition {
  /** "to.notPaths" */
  readonly key: string;
  /** Whether it wants none of the values. */
  readonly negated: boolean;
  /** As the policy has them. */
  readonly values: readonly string[];
  /** What was compared with them; empty: it is missing. */
  readonly found: readonly string[];
  /** `unknown`: missing, or there in several values that disagree. It counts as a match unless the policy allows. */
  readonly outcome: Outcome;
}

/** Decides, and says why. */
export function explainDecision(policies: PolicySet, input: PolicyInput): Explanation {
  return {
    decision: policies.decide(input),
    policies: policies.policies.map((policy) => explainPolicy(policy, input)),
  };
}

function explainPolicy(policy: Policy, input: PolicyInput): ExplainedPolicy {
  const { name, action, dryRun } = policy;
  const applies = policy.listeners === undefined || policy.listeners.has(input.listener);
  const attributes = attributesOf(input);
  const rules = (applies ? policy.rules : []).map(({ connection, request, missing }) => {
    const conditions = [
      ...connection.map((condition) =>
        explained(condition, connectionFound(condition, input), connectionOutcome(condition, attributes)),
      ),
      ...request.map((condition) =>
        explained(condition, requestFound(condition, input.http), requestOutcome(condition, input.http)),
      ),
    ];
    return { matched: conditions.every(({ outcome }) => counts(outcome, missing)), conditions };
  });
  return { policy: name, action, dryRun, applies, matched: rules.some(({ matched }) => matched), rules };
}

function explained(
  { key, negated, values }: ConnectionCondition | RequestCondition,
  found: readonly string[],
  outcome: Outcome,
): ExplainedCondition {
  return { key, negated, values, found, outcome };
}

function connectionFound({ kind }: ConnectionCondition, input: PolicyInput): readonly string[] {
  switch (kind) {
    case "id":
      return texts(input.principal?.toString());
    case "port":
      return texts(input.port?.toString());
    case "source":
      return texts(input.sourceAddress);
  }
}

function requestFound(condition: RequestCondition, http: HttpPolicyInput | undefined): readonly string[] {
  if (http === undefined) return [];
  switch (condition.kind) {
    case "method":
      return texts(http.method);
    case "host":
      return texts(http.authority);
    case "path":
      return texts(http.path);
    case "header":
    case "presence":
      return http.fields.filter((_, index) => index % 2 === 1 && http.fields[index - 1] === condition.name);
  }
}

function texts(value: string | undefined): readonly string[] {
  return value === undefined || value === "" ? [] : [value];
}

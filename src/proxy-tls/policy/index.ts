export { describePolicies } from "./describe.ts";
export type { ExplainedCondition, ExplainedPolicy, ExplainedRule, Explanation } from "./explain.ts";
export { explainRequest, type RequestExplanation, type RequestText } from "./explain-request.ts";
export { loadPolicies } from "./load.ts";
export { policyJsonSchema } from "./schema.ts";

// Compiled policies. Immutable: a reload makes a new one.
import type { Decision, PolicyInput } from "./decision.ts";

export class PolicySet {
  /** No policies: everything is denied. */
  static readonly empty = new PolicySet();

  /** Decides. The order of policies never matters. */
  decide(_input: PolicyInput): Decision {
    return { effect: "deny", policy: undefined, rule: undefined, reason: "default-deny", dryRun: [], audit: [] };
  }
}

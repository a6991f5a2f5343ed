// Compiled policies. Immutable: a reload makes a new one.
import type { ConnectionDecider, ConnectionPolicyInput, Decision, PolicyInput } from "./decision.ts";

export class PolicySet {
  /** No policies: everything is denied. */
  static readonly empty = new PolicySet();

  /** Names of the fields that policies look at, in lower case: a request that has one of them twice is refused. */
  readonly fieldNames: ReadonlySet<string> = new Set();
  /** Whether a policy names paths or methods: fields that override them are refused then. */
  readonly namesTargets: boolean = false;

  /** Narrows to what is constant on a connection. */
  forConnection(connection: ConnectionPolicyInput): ConnectionDecider {
    return { decide: (http) => this.decide({ ...connection, http }) };
  }

  /** Decides. The order of policies never matters. */
  decide(_input: PolicyInput): Decision {
    return { effect: "deny", policy: undefined, rule: undefined, reason: "default-deny", dryRun: [], audit: [] };
  }
}

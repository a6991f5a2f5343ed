// Policies that were read become a set that decides. Apart from the reader: a worker process gets what the primary has read and checked,
// and needs neither YAML nor the schema for it.
import { ProxyError } from "../errors.ts";
import { compilePolicy } from "./compile.ts";
import { PolicySet } from "./policy-set.ts";
import type { PolicyDocument } from "./schema.ts";

/**
 * Compiles policies.
 * @param document as `parsePolicies` has read it: PolicySet.document
 * @throws ProxyError MCA_PROXY_POLICY_INVALID
 */
export function assemblePolicies(document: PolicyDocument): PolicySet {
  const names = new Set<string>();
  for (const { name } of document.policies) {
    if (names.has(name)) {
      throw new ProxyError(
        "MCA_PROXY_POLICY_INVALID",
        `Two policies are called ${name}. Give each its own name: decisions are told by it.`,
        { details: { policy: name } },
      );
    }
    names.add(name);
  }
  return new PolicySet(
    document.policies.map((policy, index) => compilePolicy(policy, `policies[${index}]`)),
    document,
  );
}

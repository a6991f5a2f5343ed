// A policy file, or anything with its shape, becomes a PolicySet. Fails whole: one bad policy, and none of the file is taken.
import { resolveConfig } from "../../runtime/config/index.ts";
import { refuseUnsupported } from "../config/unsupported.ts";
import { ProxyError } from "../errors.ts";
import { compilePolicy } from "./compile.ts";
import { PolicySet } from "./policy-set.ts";
import { type PolicyDocument, policySchema } from "./schema.ts";
import { refuseUnsound } from "./strict.ts";

/**
 * Reads policies.
 * @param value as parsed from YAML or JSON: `{policies: [...]}`
 * @throws ConfigError MCA_CONFIG_*: unknown keys, wrong types, what is not supported yet
 * @throws ProxyError MCA_PROXY_POLICY_INVALID
 */
export function parsePolicies(value: unknown): PolicySet {
  refuseUnsupported(value);
  refuseUnsound(value);
  // resolveConfig has checked every key against the schema that PolicyDocument is derived from.
  const document = resolveConfig(policySchema, value) as PolicyDocument;
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
    value,
  );
}

// A policy file, or anything with its shape, becomes a PolicySet. Fails whole: one bad policy, and none of the file is taken.
import { resolveConfig } from "../../runtime/config/index.ts";
import { refuseUnsupported } from "../config/unsupported.ts";
import { assemblePolicies } from "./assemble.ts";
import type { PolicySet } from "./policy-set.ts";
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
  return assemblePolicies(resolveConfig(policySchema, value) as PolicyDocument);
}

// The policy file, read whole: parsed, compiled, and held to the listeners that it is for.
import { readConfigFile } from "../../runtime/config/index.ts";
import type { ListenerConfig } from "../config/listeners.ts";
import { checkPolicies } from "./check.ts";
import { parsePolicies } from "./parse.ts";
import { PolicySet } from "./policy-set.ts";

/**
 * Reads the policies of a proxy, at start and at each reload.
 * @param file YAML or JSON; null: there are none, so that everything is denied
 * @throws ConfigError MCA_CONFIG_*
 * @throws ProxyError MCA_PROXY_POLICY_INVALID, MCA_PROXY_POLICY_CONFLICT
 */
export async function loadPolicies(file: string | null, listeners: readonly ListenerConfig[]): Promise<PolicySet> {
  if (file === null) return PolicySet.empty;
  const policies = parsePolicies(await readConfigFile(file, "policyFile"));
  checkPolicies(policies, listeners);
  return policies;
}

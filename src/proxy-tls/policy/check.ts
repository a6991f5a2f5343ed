// What of the policies does not fit the listeners. An error at load, for `proxy check`, start and reload alike: a policy that cannot be
// applied as it reads is worse than none.
import { nearestHint } from "../../runtime/index.ts";
import type { ListenerConfig } from "../config/listeners.ts";
import { ProxyError } from "../errors.ts";
import type { Policy } from "./compile.ts";
import type { PolicySet } from "./policy-set.ts";

/** @throws ProxyError MCA_PROXY_POLICY_CONFLICT */
export function checkPolicies(policies: PolicySet, listeners: readonly ListenerConfig[]): void {
  for (const policy of policies.policies) {
    for (const listener of listenersOf(policy, listeners)) checkOne(policy, listener);
  }
}

function listenersOf(policy: Policy, listeners: readonly ListenerConfig[]): readonly ListenerConfig[] {
  const inbound = listeners.filter(({ direction }) => direction === "inbound");
  if (policy.listeners === undefined) return inbound;
  const names = inbound.map(({ name }) => name);
  for (const name of policy.listeners) {
    if (names.includes(name)) continue;
    const other = listeners.some((listener) => listener.name === name);
    throw conflict(
      policy,
      other
        ? `the listener ${name} is outbound. Policies are for inbound listeners; an outbound one says in expect whom it calls.`
        : `there is no inbound listener ${name}.${nearestHint(name, names)}`,
    );
  }
  return inbound.filter(({ name }) => policy.listeners?.has(name));
}

function checkOne(policy: Policy, listener: ListenerConfig): void {
  const conditions = policy.rules.flatMap(({ request }) => request);
  if (listener.protocol === "tcp") {
    const [condition] = conditions;
    if (condition === undefined) return;
    throw conflict(
      policy,
      `${condition.key} needs HTTP, and the listener ${listener.name} is tcp. Say in \`listeners\` which http listeners the policy is for, or leave the key out.`,
    );
  }
  const [relaxed] = listener.http.relaxPath;
  if (relaxed === undefined) return;
  // Whatever keeps paths out trusts that a path has one spelling; which spellings there are, is what is relaxed.
  const excluding = conditions.find(({ kind, negated }) => kind === "path" && (policy.action === "deny" || negated));
  if (excluding === undefined || policy.action === "audit") return;
  throw conflict(
    policy,
    `${excluding.key} keeps paths out, and the listener ${listener.name} relaxes how paths are read (relaxPath: ${relaxed}): another spelling could get past it. Take one of the two away, or write the policy as an allow that names paths.`,
  );
}

function conflict(policy: Policy, sentence: string): ProxyError {
  return new ProxyError("MCA_PROXY_POLICY_CONFLICT", `Policy ${policy.name}: ${sentence}`, {
    details: { policy: policy.name },
  });
}

// RegistryService: identity rules, read and changed. What a rule means is judged in ../registry.
import {
  RegistryServiceService,
  type Rule as RuleMessage,
  type StoredRule as StoredRuleMessage,
} from "../../proto/gen/meshca/identity/v1/admin.ts";
import { type Acting, requireParts } from "../parts.ts";
import type { StoredRule } from "../registry/index.ts";
import type { AccessGate } from "./access-gate.ts";
import type { Calls } from "./calls.ts";
import type { MethodsOf } from "./definition.ts";

export interface RegistryServiceOptions {
  readonly calls: Calls;
  readonly gate: AccessGate;
  readonly acting: Acting;
}

export function registryService({
  calls,
  gate,
  acting,
}: RegistryServiceOptions): MethodsOf<typeof RegistryServiceService> {
  const path = RegistryServiceService;
  return {
    listRules: calls.unary(path.listRules, async (_request, call) => {
      await gate.admit(call);
      const rules = requireParts(acting).registry.rules();
      return { rules: rules.rules.map(storedRuleMessage), revision: rules.revision };
    }),
    applyRules: calls.unary(path.applyRules, async (request, call) => {
      await gate.admit(call);
      const { registry } = requireParts(acting);
      const stored = await registry.apply(request.rules.map(ruleInput), call.connection.peerName);
      return { rules: stored.map(storedRuleMessage) };
    }),
    deleteRule: calls.unary(path.deleteRule, async (request, call) => {
      await gate.admit(call);
      await requireParts(acting).registry.delete(request.name, call.connection.peerName);
      return {};
    }),
  };
}

/** A rule as plain data, as it would stand in the configuration file: the registry parses both alike. */
function ruleInput(rule: RuleMessage): unknown {
  return {
    name: rule.name,
    priority: rule.priority,
    match: rule.match,
    spiffeId: rule.spiffeId,
    dnsNames: rule.dnsNames,
    ttlSeconds: rule.ttlSeconds,
    roles: rule.roles,
    ...(rule.renewAfterExpirySeconds === undefined ? {} : { renewAfterExpirySeconds: rule.renewAfterExpirySeconds }),
    maxLineageAgeSeconds: rule.maxLineageAgeSeconds,
  };
}

function storedRuleMessage({ definition, source, revision }: StoredRule): StoredRuleMessage {
  return {
    rule: {
      name: definition.name,
      priority: definition.priority,
      match: Object.fromEntries(definition.match),
      spiffeId: definition.spiffeId,
      dnsNames: [...definition.dnsNames],
      ttlSeconds: definition.ttlSeconds,
      roles: [...definition.roles],
      renewAfterExpirySeconds: definition.renewAfterExpirySeconds,
      maxLineageAgeSeconds: definition.maxLineageAgeSeconds,
    },
    source,
    revision,
  };
}

// A policy of the file becomes one that decides: its values are parsed, and what can never match, or matches by accident, is refused.
import { ProxyError } from "../errors.ts";
import type { ConnectionCondition, RequestCondition } from "./conditions.ts";
import type { Decision, PolicyMatch } from "./decision.ts";
import { parseCidrs } from "./match/cidrs.ts";
import { parseHosts } from "./match/hosts.ts";
import { parseIds } from "./match/ids.ts";
import { oneOf } from "./match/matcher.ts";
import { parsePaths } from "./match/paths.ts";
import { headerName, headerValues, methods } from "./match/words.ts";
import type { HeaderConfig, PolicyConfig, RuleConfig } from "./schema.ts";

export interface Policy {
  readonly name: string;
  readonly action: "allow" | "deny" | "audit";
  readonly dryRun: boolean;
  /** Undefined: every inbound listener. */
  readonly listeners: ReadonlySet<string> | undefined;
  readonly rules: readonly Rule[];
}

export interface Rule {
  readonly connection: readonly ConnectionCondition[];
  readonly request: readonly RequestCondition[];
  /** What an unknown attribute counts as. */
  readonly missing: boolean;
  /** What it says when it decides; one object for ever. */
  readonly decision: Decision;
  /** What it says when it does not. */
  readonly match: PolicyMatch;
}

const NONE: readonly never[] = Object.freeze([]);

/** Whether a policy decides, and does not only tell. */
export function inForce(policy: Policy): boolean {
  return !policy.dryRun && policy.action !== "audit";
}

/**
 * @param path where the policy stands: "policies[3]"
 * @throws ProxyError MCA_PROXY_POLICY_INVALID
 */
export function compilePolicy(config: PolicyConfig, path: string): Policy {
  const { name, action, dryRun, listeners } = config;
  return {
    ...{ name, action, dryRun },
    listeners: listeners.length === 0 ? undefined : new Set(listeners),
    rules: config.rules.map((rule, index) => ({
      ...compileConditions(rule, refusing(name, `${path}.rules[${index}]`)),
      missing: action !== "allow",
      decision: decisionOf(name, action, index),
      match: Object.freeze({ policy: name, rule: index, action }),
    })),
  };
}

function decisionOf(policy: string, action: Policy["action"], rule: number): Decision {
  const allow = action === "allow";
  return Object.freeze({
    effect: allow ? "allow" : "deny",
    ...{ policy, rule, reason: allow ? "allowed" : "denied", dryRun: NONE, audit: NONE },
  });
}

function compileConditions(rule: RuleConfig, at: Refusing): Pick<Rule, "connection" | "request"> {
  const connection: ConnectionCondition[] = [];
  const request: RequestCondition[] = [];
  const { from, to, when } = rule;
  for (const [key, values, negated] of pairs("from.ids", from.ids, "from.notIds", from.notIds)) {
    connection.push({ kind: "id", key, negated, values, matcher: parseIds(values, at(key, values)) });
  }
  for (const [key, values, negated] of pairs("to.ports", to.ports, "to.notPorts", to.notPorts)) {
    connection.push({ kind: "port", key, negated, values: values.map(String), matcher: oneOf(values) });
  }
  const { sourceCidrs, notSourceCidrs } = when;
  for (const [key, values, negated] of pairs("when.sourceCidrs", sourceCidrs, "when.notSourceCidrs", notSourceCidrs)) {
    connection.push({ kind: "source", key, negated, values, matcher: parseCidrs(values, at(key, values)) });
  }
  for (const [key, values, negated] of pairs("to.methods", to.methods, "to.notMethods", to.notMethods)) {
    request.push({ kind: "method", key, negated, values, matcher: oneOf(methods(values, at(key, values))) });
  }
  for (const [key, values, negated] of pairs("to.paths", to.paths, "to.notPaths", to.notPaths)) {
    request.push({ kind: "path", key, negated, values, matcher: parsePaths(values, at(key, values)) });
  }
  for (const [key, values, negated] of pairs("to.hosts", to.hosts, "to.notHosts", to.notHosts)) {
    request.push({ kind: "host", key, negated, values, matcher: parseHosts(values, at(key, values)) });
  }
  when.headers.forEach((header, index) => {
    request.push(...compileHeader(header, index, at));
  });
  return { connection, request };
}

/** A field and its `not`, each where it has values. */
function pairs<Value>(
  key: string,
  values: readonly Value[],
  notKey: string,
  notValues: readonly Value[],
): readonly (readonly [key: string, values: readonly Value[], negated: boolean])[] {
  return [[key, values, false] as const, [notKey, notValues, true] as const].filter(([, list]) => list.length > 0);
}

function compileHeader(header: HeaderConfig, index: number, at: Refusing): RequestCondition[] {
  const path = `when.headers[${index}]`;
  const refuse = (sentence: string): never => at(path, [header.name])(undefined, sentence);
  const name = headerName(header.name, refuse);
  const { values, notValues, present } = header;
  const compared = values.length + notValues.length > 0;
  if (!compared && present === null) refuse("says nothing about the field. Give values, notValues or present.");
  if (compared && present === false) refuse("A field that is not there has no value. Give values, or present: false.");
  const conditions: RequestCondition[] = [];
  if (present !== null) {
    conditions.push({ kind: "presence", key: `${path}.present`, negated: !present, values: [String(present)], name });
  }
  for (const [key, list, negated] of pairs(`${path}.values`, values, `${path}.notValues`, notValues)) {
    conditions.push({
      kind: "header",
      key,
      negated,
      values: list,
      name,
      matcher: oneOf(headerValues(list, at(key, list))),
    });
  }
  return conditions;
}

/** Refuses one of the values of a key of a rule, or the key itself. */
type Refusing = (key: string, values: readonly string[]) => (index: number | undefined, sentence: string) => never;

/** Names the place of what is refused, and what stands there. @param path where the rule stands */
function refusing(policy: string, path: string): Refusing {
  return (key, values) => (index, sentence) => {
    const at = `${path}.${key}${index === undefined ? "" : `[${index}]`}`;
    const found = JSON.stringify(values[index ?? 0]);
    throw new ProxyError("MCA_PROXY_POLICY_INVALID", `Policy ${policy}, ${at} (${found}): ${sentence}`, {
      details: { policy, path: at },
    });
  };
}

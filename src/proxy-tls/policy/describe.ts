// What policies mean, in sentences for whoever is about to put them in force.
import type { ListenerConfig } from "../config/listeners.ts";
import { inForce, type Policy, type Rule } from "./compile.ts";
import type { ConnectionCondition, RequestCondition } from "./conditions.ts";
import type { PolicySet } from "./policy-set.ts";

type Condition = ConnectionCondition | RequestCondition;

/** One sentence a line; what deserves a second look begins with "Note:". */
export function describePolicies(policies: PolicySet, listeners: readonly ListenerConfig[]): string[] {
  const inbound = listeners.filter(({ direction }) => direction === "inbound");
  return [
    ...policies.policies.flatMap((policy) => [
      ...policy.rules.map((rule) => `${policy.name}: ${describeRule(policy, rule)}`),
      ...notes(policy, inbound),
    ]),
    ...inbound.map(({ name }) =>
      policies.policies.some((policy) => policy.action === "allow" && inForce(policy) && isFor(policy, name))
        ? `${name}: what no policy allows is denied.`
        : `Note: no policy in force allows anything at ${name}: everything is denied there.`,
    ),
  ];
}

function isFor({ listeners }: Policy, name: string): boolean {
  return listeners === undefined || listeners.has(name);
}

function describeRule({ action, dryRun, listeners }: Policy, rule: Rule): string {
  const verb = dryRun ? `would ${action}` : `${action}s`.replace("denys", "denies");
  const of = (kind: Condition["kind"]): readonly Condition[] =>
    [...rule.connection, ...rule.request].filter((condition) => condition.kind === kind);
  const what = [
    choice(of("method"), "", "any method"),
    choice(of("path"), "on ", "any path"),
    choice(of("host"), "of ", "any host"),
    choice(of("port"), "at port ", "any port"),
  ].filter((text) => text !== "");
  const conditions = [
    choice(of("source"), "from ", "anywhere"),
    ...rule.request.flatMap((condition) => headerWords(condition)),
  ].filter((text) => text !== "");
  return [
    `${verb} ${choice(of("id"), "", "every verified caller") || "every verified caller"}`,
    what.length === 0 ? "everything" : what.join(" "),
    ...conditions,
    `at ${listeners === undefined ? "every inbound listener" : or([...listeners])}${dryRun ? " (dry run)" : ""}.`,
  ].join(", ");
}

/** "A or B", "any path but A", "A or B, but not C"; "" where nothing is said. */
function choice(conditions: readonly Condition[], before: string, anything: string): string {
  const yes = conditions.find(({ negated }) => !negated);
  const no = conditions.find(({ negated }) => negated);
  if (yes === undefined) return no === undefined ? "" : `${before}${anything} but ${or(no.values)}`;
  return `${before}${or(yes.values)}${no === undefined ? "" : `, but not ${or(no.values)}`}`;
}

function headerWords(condition: RequestCondition): string[] {
  switch (condition.kind) {
    case "header":
      return [`with ${condition.name}${condition.negated ? " other than" : ":"} ${or(condition.values)}`];
    case "presence":
      return [condition.negated ? `without ${condition.name}` : `with ${condition.name}`];
    default:
      return [];
  }
}

function notes(policy: Policy, inbound: readonly ListenerConfig[]): string[] {
  return policy.rules.flatMap(({ connection, request }) => {
    const ports = connection.flatMap((condition) => (condition.kind === "port" ? condition.values : []));
    // A port that the system chooses may be any.
    const known = inbound.flatMap((listener) => (listener.direction === "inbound" ? [String(listener.port)] : []));
    const unused = known.includes("0") ? [] : ports.filter((port) => !known.includes(port));
    const asked = request.flatMap((condition) => (condition.kind === "header" ? [condition.name] : []));
    const sure = request.flatMap((condition) => (condition.kind === "presence" ? [condition.name] : []));
    const missing = policy.action === "deny" ? asked.filter((name) => !sure.includes(name)) : [];
    return [
      ...unused.map((port) => `Note: ${policy.name} names port ${port}, and no inbound listener has it.`),
      ...[...new Set(missing)].map(
        (name) => `Note: ${policy.name} counts a request without ${name} as a match. present: true would not.`,
      ),
    ];
  });
}

function or(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

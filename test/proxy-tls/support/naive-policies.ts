// What policies mean, once more, and as slowly as one likes: straight from the file's data, with regular expressions and BlockList. The
// compiled policies are compared with it.
import { BlockList, isIPv4 } from "node:net";
import type { Decision, PolicyInput, PolicyMatch } from "../../../src/proxy-tls/policy/decision.ts";

export interface NaiveHeader {
  readonly name: string;
  readonly values?: readonly string[];
  readonly notValues?: readonly string[];
  readonly present?: boolean;
}

export interface NaiveRule {
  readonly from?: { readonly ids?: readonly string[]; readonly notIds?: readonly string[] };
  readonly to?: {
    readonly ports?: readonly number[];
    readonly notPorts?: readonly number[];
    readonly hosts?: readonly string[];
    readonly notHosts?: readonly string[];
    readonly methods?: readonly string[];
    readonly notMethods?: readonly string[];
    readonly paths?: readonly string[];
    readonly notPaths?: readonly string[];
  };
  readonly when?: {
    readonly headers?: readonly NaiveHeader[];
    readonly sourceCidrs?: readonly string[];
    readonly notSourceCidrs?: readonly string[];
  };
}

export interface NaivePolicy {
  readonly name: string;
  readonly action: "allow" | "deny" | "audit";
  readonly dryRun?: boolean;
  readonly listeners?: readonly string[];
  readonly rules: readonly NaiveRule[];
}

type Answer = boolean | "unknown";
type Fits<Value> = (pattern: Value, value: Value) => boolean;

export function naiveDecision(policies: readonly NaivePolicy[], input: PolicyInput): Decision {
  const named = policies
    .filter(({ action, dryRun }) => action !== "audit" && dryRun !== true)
    .flatMap(({ rules }) => rules.flatMap(({ when }) => (when?.headers ?? []).map(({ name }) => name.toLowerCase())));
  const sorted = [...policies].sort((one, other) => (one.name < other.name ? -1 : 1));
  const matches = sorted.flatMap((policy) => {
    if (policy.listeners !== undefined && !policy.listeners.includes(input.listener)) return [];
    const rule = policy.rules.findIndex((one) => ruleMatches(one, input, policy.action !== "allow"));
    return rule === -1 ? [] : [{ policy, rule }];
  });
  const told = (wanted: (policy: NaivePolicy) => boolean): PolicyMatch[] =>
    matches
      .filter(({ policy }) => wanted(policy))
      .map(({ policy, rule }) => ({ policy: policy.name, rule, action: policy.action }));
  const observed = {
    dryRun: told(({ dryRun }) => dryRun === true),
    audit: told(({ action, dryRun }) => dryRun !== true && action === "audit"),
  };
  if (named.some((name) => valuesOf(input, name).length > 1)) {
    return { effect: "deny", policy: undefined, rule: undefined, reason: "refused", ...observed };
  }
  for (const action of ["deny", "allow"] as const) {
    const found = matches.find(({ policy }) => policy.action === action && policy.dryRun !== true);
    if (found === undefined) continue;
    const reason = action === "deny" ? "denied" : "allowed";
    return { effect: action, policy: found.policy.name, rule: found.rule, reason, ...observed };
  }
  return { effect: "deny", policy: undefined, rule: undefined, reason: "default-deny", ...observed };
}

function ruleMatches({ from, to, when }: NaiveRule, input: PolicyInput, missing: boolean): boolean {
  const { http } = input;
  const answers: Answer[] = [
    ...field(from?.ids, from?.notIds, input.principal?.toString(), idFits),
    ...field(to?.ports, to?.notPorts, input.port, (pattern, port) => pattern === port),
    ...field(to?.hosts, to?.notHosts, http?.authority, hostFits),
    ...field(to?.methods, to?.notMethods, http?.method, (pattern, method) => pattern === method),
    ...field(to?.paths, to?.notPaths, http?.path, pathFits),
    ...field(when?.sourceCidrs, when?.notSourceCidrs, input.sourceAddress, cidrFits),
    ...(when?.headers ?? []).flatMap((header) => headerAnswers(header, input)),
  ];
  return answers.every((answer) => (answer === "unknown" ? missing : answer));
}

function field<Value>(
  patterns: readonly Value[] | undefined,
  notPatterns: readonly Value[] | undefined,
  value: Value | undefined,
  fits: Fits<Value>,
): Answer[] {
  const some = (list: readonly Value[]): Answer =>
    value === undefined ? "unknown" : list.some((pattern) => fits(pattern, value));
  const none = (list: readonly Value[]): Answer => {
    const answer = some(list);
    return answer === "unknown" ? answer : !answer;
  };
  return [
    ...(patterns === undefined ? [] : [some(patterns)]),
    ...(notPatterns === undefined ? [] : [none(notPatterns)]),
  ];
}

function headerAnswers(header: NaiveHeader, input: PolicyInput): Answer[] {
  const found = valuesOf(input, header.name.toLowerCase());
  const answer = (wanted: (value: string) => boolean): Answer => {
    const answers = new Set(found.map(wanted));
    const [only] = answers;
    return answers.size === 1 && only !== undefined ? only : "unknown";
  };
  const { values, notValues, present } = header;
  return [
    ...(present === undefined ? [] : [input.http === undefined ? "unknown" : found.length > 0 === present]),
    ...(values === undefined ? [] : [answer((value) => values.includes(value))]),
    ...(notValues === undefined ? [] : [answer((value) => !notValues.includes(value))]),
  ] as Answer[];
}

function valuesOf(input: PolicyInput, name: string): string[] {
  const fields = input.http?.fields ?? [];
  return fields.filter((_, index) => index % 2 === 1 && fields[index - 1] === name);
}

function idFits(pattern: string, id: string): boolean {
  const segments = id.split("/");
  if (pattern.endsWith("/**") || pattern.endsWith("/*")) {
    const base = pattern.replace(/\/\*+$/, "").split("/");
    return base.every((segment, index) => segments[index] === segment);
  }
  return pattern === id;
}

const escaped = (text: string): string => text.replaceAll(/[.+^$()|[\]\\]/g, "\\$&");

function pathFits(pattern: string, path: string): boolean {
  const below = pattern.endsWith("/**");
  const base = decodeURIComponent(below ? pattern.slice(0, -3) : pattern);
  const source = base.split("*").map(escaped).join("[^/]*");
  if (below && base === "" && !path.startsWith("/")) return false;
  return new RegExp(`^${source}${below ? "(?:/.*)?" : ""}$`, "s").test(path);
}

function hostFits(pattern: string, authority: string): boolean {
  const wanted = /^(.*?)\.?(?::(\d+))?$/.exec(pattern.toLowerCase());
  const found = /^(.*?)(?::(\d+))?$/.exec(authority);
  const source = (wanted?.[1] ?? "").split("*").map(escaped).join("[^.]*");
  if (!new RegExp(`^${source}$`).test(found?.[1] ?? "")) return false;
  return wanted?.[2] === undefined || wanted[2] === (found?.[2] ?? "443");
}

function cidrFits(cidr: string, address: string): boolean {
  const [network = "", bits] = cidr.split("/");
  const family = isIPv4(network) ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(network, Number(bits ?? (family === "ipv4" ? 32 : 128)), family);
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  return isIPv4(plain)
    ? family === "ipv4" && list.check(plain, "ipv4")
    : family === "ipv6" && list.check(plain, "ipv6");
}

// `mesh-ca proxy explain`: what an inbound listener would do with a request, and why. Connects to nothing.
import { Command } from "commander";
import { type InboundConfig, loadProxyConfig, type ProxyConfig } from "../../proxy-tls/config/index.ts";
import {
  type ExplainedCondition,
  type ExplainedPolicy,
  type Explanation,
  explainRequest,
  loadPolicies,
  type RequestExplanation,
  type RequestText,
} from "../../proxy-tls/policy/index.ts";
import { SpiffeId } from "../../spiffe/index.ts";
import { CliError } from "../errors.ts";
import { print, printable, printJson } from "../output.ts";
import { collect, parseInteger } from "../parse.ts";

interface ExplainOptions {
  readonly config: string;
  readonly listener?: string;
  readonly from: string;
  readonly method?: string;
  readonly host?: string;
  readonly path?: string;
  readonly header: readonly string[];
  readonly source?: string;
  readonly port?: string;
  readonly json?: boolean;
}

export function proxyExplainCommand(): Command {
  return new Command("explain")
    .description("say what the policies decide about a request, and why")
    .requiredOption("-c, --config <file>", "configuration file of the proxy")
    .requiredOption("--from <id>", "SPIFFE ID of the caller")
    .option("--listener <name>", "inbound listener; needed where there are several")
    .option("--method <method>", "method (default: GET)")
    .option("--host <host>", "Host, as the caller writes it (default: localhost)")
    .option("--path <path>", "path with its query, as the caller writes it (default: /)")
    .option("-H, --header <field>", "a header field, 'name: value' (repeatable)", collect, [])
    .option("--source <address>", "address of the caller; without it, it counts as missing")
    .option("--port <port>", "port that the listener is bound to; default: the listener's")
    .option("--json", "print JSON")
    .action(run);
}

async function run(options: ExplainOptions): Promise<void> {
  const config = await loadProxyConfig(options.config);
  const listener = inboundListener(config, options.listener);
  const policies = await loadPolicies(config.policyFile, config.listeners);
  const request = requestOf(options, listener);
  const connection = {
    listener: listener.name,
    principal: SpiffeId.parse(options.from),
    sourceAddress: options.source,
    port: options.port === undefined ? listener.port || undefined : parseInteger("--port", options.port, 1, 65_535),
  };
  const answer = explainRequest(policies, listener, connection, request);
  if (options.json) printJson(jsonOf(answer, listener.name));
  else print(textOf(answer, connection.principal, listener.name));
}

function inboundListener(config: ProxyConfig, name: string | undefined): InboundConfig {
  const inbound = config.listeners.filter((listener) => listener.direction === "inbound");
  const names = inbound.map((listener) => listener.name);
  const [first] = name === undefined ? inbound : inbound.filter((listener) => listener.name === name);
  if (first !== undefined && (name !== undefined || inbound.length === 1)) return first;
  const known = names.length === 0 ? "The configuration has none" : `There are ${names.join(", ")}`;
  throw new CliError("MCA_CLI_USAGE", `Name an inbound listener with --listener. ${known}.`);
}

function requestOf(options: ExplainOptions, listener: InboundConfig): RequestText | undefined {
  const { method, host, path, header } = options;
  const given = [method, host, path, ...header].filter((text) => text !== undefined);
  if (listener.protocol === "tcp") {
    if (given.length === 0) return undefined;
    throw new CliError(
      "MCA_CLI_USAGE",
      `The listener ${listener.name} is tcp: nobody reads requests there. Leave --method, --host, --path and --header out.`,
    );
  }
  if (given.some((text) => /[\r\n]/.test(text))) {
    throw new CliError("MCA_CLI_USAGE", "--method, --host, --path and --header hold no line breaks.");
  }
  return { method: method ?? "GET", host: host ?? "localhost", path: path ?? "/", headers: header };
}

function jsonOf(answer: RequestExplanation, listener: string): object {
  if (answer.kind === "refused") return { listener, refusal: answer.refusal };
  return { listener, decision: answer.explanation.decision, policies: answer.explanation.policies };
}

function textOf(answer: RequestExplanation, from: SpiffeId, listener: string): string {
  if (answer.kind === "refused") {
    const { status, code, reason } = answer.refusal;
    return `Refused with ${status} before any policy is asked: ${reason} (${code}).`;
  }
  const { http, explanation } = answer;
  const what = http === undefined ? "a connection" : `${http.method} ${http.authority} ${http.path}`;
  return [
    printable(`${from} at ${listener}: ${what}`),
    verdict(explanation),
    ...explanation.policies.flatMap((policy) => ["", ...policyLines(policy)]),
  ].join("\n");
}

function verdict({ decision }: Explanation): string {
  const also = [
    ...decision.dryRun.map(({ policy, action }) => `The dry run ${policy} would ${action} it.`),
    ...decision.audit.map(({ policy }) => `The audit ${policy} tells of it.`),
  ];
  const { effect, policy, rule, reason } = decision;
  const sentence =
    policy !== undefined
      ? `${effect === "allow" ? "Allowed" : "Denied"} by the policy ${policy}, rules[${rule}].`
      : reason === "refused"
        ? "Refused: a field that a policy names is there twice."
        : "Denied: no policy allows it.";
  return [sentence, ...also].join(" ");
}

function policyLines({ policy, action, dryRun, applies, matched, rules }: ExplainedPolicy): string[] {
  const verb = !applies ? "is for other listeners" : matched ? "matches" : "does not match";
  return [
    `${policy} (${action}${dryRun ? ", dry run" : ""}) ${verb}`,
    ...rules.flatMap((rule, index) => [
      `  rules[${index}] ${rule.matched ? "matches" : "does not match"}`,
      ...rule.conditions.map((condition) => `    ${conditionLine(condition, action)}`),
    ]),
  ];
}

function conditionLine({ key, negated, values, found, outcome }: ExplainedCondition, action: string): string {
  const list = values.join(", ");
  if (outcome === "unknown") {
    const what = found.length === 0 ? "missing" : `there with values that disagree (${found.join(", ")})`;
    const counts = action === "allow" ? "no match for allow" : `a match for ${action}`;
    return printable(`${key}: ${action === "allow" ? "no" : "yes"}: it is ${what}, which counts as ${counts}`);
  }
  const answer = outcome === "match" ? "yes" : "no";
  if (key.endsWith(".present")) return `${key}: ${answer}: the field is ${found.length > 0 ? "" : "not "}there`;
  const isOne = (outcome === "match") !== negated;
  return printable(`${key}: ${answer}: ${found.join(" and ")} is ${isOne ? "one" : "none"} of ${list}`);
}

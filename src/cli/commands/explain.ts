// `mesh-ca explain`: which rule would grant what to these attributes, and why the others would not. Issues nothing.
import { Command } from "commander";
import type { ExplainIdentityRequest } from "../../proto/gen/meshca/identity/v1/identity.ts";
import { addConnectionOptions, type ConnectionOptions, withConnection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { facts, print, printJson, table } from "../output.ts";
import { collect, parseDuration, parsePairs, readTextFile } from "../parse.ts";

interface ExplainOptions extends ConnectionOptions {
  readonly attribute: readonly string[];
  readonly jwtFile?: string;
  readonly attestor?: string;
  readonly ttl?: string;
  readonly json?: boolean;
}

export function explainCommand(): Command {
  return addConnectionOptions(new Command("explain"))
    .description("show which rule would grant what, and why the others would not; issues nothing")
    .option(
      "-a, --attribute <name=value>",
      "an attribute with its instance: k8s-prod.namespace=shop (repeatable)",
      collect,
      [],
    )
    .option("--jwt-file <file>", "explain what this JWT would earn; - for standard input")
    .option("--attestor <instance>", "the attestor instance that checks the JWT")
    .option("--ttl <duration>", "the lifetime that would be wished for")
    .option("--json", "print JSON")
    .action(run);
}

async function run(options: ExplainOptions): Promise<void> {
  const request = await requestOf(options);
  await withConnection(options, async (server) => {
    const answer = await server.call(server.identity.explainIdentity.bind(server.identity), request);
    if (options.json) {
      printJson(answer);
      return;
    }
    print(
      table(
        ["RULE", "PRIORITY", "VERDICT", "REASON"],
        answer.rules.map((rule) => [rule.rule, String(rule.priority), verdict(rule), rule.reason]),
      ),
    );
    const { grant } = answer;
    if (grant === undefined) {
      print("\nNo rule grants an identity to these attributes.");
      return;
    }
    print("");
    print(
      facts([
        ["SPIFFE ID", grant.spiffeId],
        ["rule", `${grant.rule} (revision ${grant.ruleRevision})`],
        ["lifetime", `${grant.ttlSeconds} s`],
        ["shortened by", grant.shortenedBy || "-"],
        ["DNS names", grant.dnsNames.join(" ") || "-"],
        ["roles", grant.roles.join(" ") || "-"],
      ]),
    );
  });
}

function verdict(rule: { readonly matched: boolean; readonly chosen: boolean }): string {
  if (rule.chosen) return "grants";
  return rule.matched ? "matches" : "-";
}

async function requestOf(options: ExplainOptions): Promise<ExplainIdentityRequest> {
  const attributes = parsePairs("--attribute", options.attribute);
  const ttlSeconds = options.ttl === undefined ? 0 : parseDuration("--ttl", options.ttl);
  if (options.jwtFile !== undefined) {
    const token = (await readTextFile("--jwt-file", options.jwtFile)).trim();
    return { attributes, ttlSeconds, evidence: { $case: "jwt", value: { token, attestor: options.attestor ?? "" } } };
  }
  if (Object.keys(attributes).length > 0) return { attributes, ttlSeconds, evidence: undefined };
  if (options.server !== undefined) {
    return { attributes, ttlSeconds, evidence: { $case: "tlsCertificate", value: {} } };
  }
  throw new CliError(
    "MCA_CLI_USAGE",
    "There is nothing to explain. Give --attribute NAME=VALUE, --jwt-file FILE, or --server and --svid for that identity.",
  );
}

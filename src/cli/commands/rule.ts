// `mesh-ca rule list|apply|delete`. A rule file is YAML: one rule, a list of rules, or {rules: [...]}, with the keys of the
// configuration's rules.
import { Command } from "commander";
import { parse } from "yaml";
import type { Rule, StoredRule } from "../../proto/gen/meshca/identity/v1/admin.ts";
import { addConnectionOptions, type ConnectionOptions, withConnection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { hint, print, printJson, table } from "../output.ts";
import { readTextFile } from "../parse.ts";
import { parseRuleFile } from "../rule-file.ts";

interface ListOptions extends ConnectionOptions {
  readonly json?: boolean;
}

export function ruleCommand(): Command {
  return new Command("rule")
    .description("identity rules: which identity does which evidence earn?")
    .addCommand(
      addConnectionOptions(new Command("list"))
        .description("list the rules in order of precedence")
        .option("--json", "print JSON")
        .action(list),
    )
    .addCommand(
      addConnectionOptions(new Command("apply"))
        .description("create or replace the rules of a file, all or none")
        .argument("<file>", "YAML; - for standard input")
        .option("--json", "print JSON")
        .action(apply),
    )
    .addCommand(
      addConnectionOptions(new Command("delete"))
        .description("delete a rule; renewals of what it granted stop at once")
        .argument("<name>")
        .option("--json", "print JSON")
        .action(remove),
    );
}

async function list(options: ListOptions): Promise<void> {
  await withConnection(options, async (server) => {
    const answer = await server.call(server.registry.listRules.bind(server.registry), {});
    if (options.json) printJson(answer);
    else printRules(answer.rules);
  });
}

async function apply(file: string, options: ListOptions): Promise<void> {
  const rules: readonly Rule[] = parseRuleFile(file, parseYaml(file, await readTextFile("rule file", file)));
  await withConnection(options, async (server) => {
    const answer = await server.call(server.registry.applyRules.bind(server.registry), { rules: [...rules] });
    if (options.json) printJson(answer);
    else printRules(answer.rules);
  });
}

async function remove(name: string, options: ListOptions): Promise<void> {
  await withConnection(options, async (server) => {
    await server.call(server.registry.deleteRule.bind(server.registry), { name });
    if (options.json) printJson({ name, deleted: true });
    else hint(`rule ${name} is deleted; what it granted does not renew any more`);
  });
}

function parseYaml(file: string, text: string): unknown {
  try {
    return parse(text, { uniqueKeys: true, strict: true });
  } catch (cause) {
    const where = cause instanceof Error ? cause.message.split("\n")[0] : "";
    throw new CliError("MCA_CLI_FILE", `${file} is not valid YAML: ${where} Mend it and apply it again.`, { cause });
  }
}

function printRules(rules: readonly StoredRule[]): void {
  const rows = rules.map(({ rule, source, revision }) => [
    rule?.name ?? "",
    String(rule?.priority ?? 0),
    Object.entries(rule?.match ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join(" "),
    rule?.spiffeId ?? "",
    rule?.ttlSeconds ? `${rule.ttlSeconds} s` : "default",
    rule?.roles.join(" ") || "-",
    source,
    revision.toString(),
  ]);
  print(table(["RULE", "PRIORITY", "MATCH", "SPIFFE ID", "TTL", "ROLES", "SOURCE", "REVISION"], rows));
}

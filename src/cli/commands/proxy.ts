// `mesh-ca proxy check|explain|schema`: the TLS proxy beside an application.
import { Command } from "commander";
import { describeProxyConfig, loadProxyConfig, proxyConfigJsonSchema } from "../../proxy-tls/config/index.ts";
import { describePolicies, loadPolicies } from "../../proxy-tls/policy/index.ts";
import { print, printJson, toJson } from "../output.ts";
import { proxyExplainCommand } from "./proxy-explain.ts";

interface CheckOptions {
  readonly config: string;
  readonly json?: boolean;
}

export function proxyCommand(): Command {
  return new Command("proxy")
    .description("the TLS proxy: mTLS and authorization by SPIFFE ID beside an application")
    .addCommand(
      new Command("check")
        .description("try a configuration, and say in sentences what it means")
        .requiredOption("-c, --config <file>", "configuration file of the proxy")
        .option("--json", "print the whole configuration with its defaults as JSON")
        .action(check),
    )
    .addCommand(proxyExplainCommand())
    .addCommand(
      new Command("schema")
        .description("print the JSON Schema of the configuration file")
        .action(() => print(toJson(proxyConfigJsonSchema(), 2))),
    );
}

async function check(options: CheckOptions): Promise<void> {
  const config = await loadProxyConfig(options.config);
  const policies = await loadPolicies(config.policyFile, config.listeners);
  if (options.json) {
    printJson(config);
    return;
  }
  const meaning = [...describeProxyConfig(config), ...describePolicies(policies, config.listeners)];
  for (const line of meaning) print(line);
}

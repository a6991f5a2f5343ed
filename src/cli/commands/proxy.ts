// `mesh-ca proxy run|check|explain|schema`: the TLS proxy beside an application.
import { Command } from "commander";
import { systemSchedulingClock } from "../../identity-client/index.ts";
import { describeProxyConfig, loadProxyConfig, proxyConfigJsonSchema } from "../../proxy-tls/config/index.ts";
import { describePolicies, loadPolicies, policyJsonSchema } from "../../proxy-tls/policy/index.ts";
import { collectStartUpGarbage, createLogger, systemRandom } from "../../runtime/index.ts";
import { tellLauncher } from "../launcher.ts";
import { print, printJson, toJson } from "../output.ts";
import { proxyExplainCommand } from "./proxy-explain.ts";

interface ConfigOption {
  readonly config: string;
}

export function proxyCommand(): Command {
  return new Command("proxy")
    .description("the TLS proxy: mTLS and authorization by SPIFFE ID beside an application")
    .enablePositionalOptions()
    .addCommand(
      withConfig(new Command("run"))
        .description("run the proxy in the foreground; with a command: start it when the proxy serves, end with it")
        .argument("[command...]", "the application and its arguments, after --")
        // What stands behind the application's name is the application's, also where nobody wrote --.
        .passThroughOptions()
        .addHelpText(
          "after",
          "\nPut -- before the command: what follows its name is all its own. The command gets every signal, and its exit code is the proxy's. It is never started where the proxy cannot start.",
        )
        .action(run),
    )
    .addCommand(
      withConfig(new Command("check"))
        .description("try a configuration, its policies and its files, and say in sentences what they mean")
        .option("--json", "print the whole configuration with its defaults as JSON")
        .action(check),
    )
    .addCommand(proxyExplainCommand())
    .addCommand(
      new Command("schema")
        .description("print the JSON Schema of the configuration file")
        .option("--policies", "that of the policy file instead")
        .action(({ policies }: { readonly policies?: boolean }) =>
          print(toJson(policies ? policyJsonSchema() : proxyConfigJsonSchema(), 2)),
        ),
    );
}

function withConfig(command: Command): Command {
  return command.requiredOption("-c, --config <file>", "configuration file of the proxy");
}

async function run(command: readonly string[], options: ConfigOption): Promise<void> {
  const config = await loadProxyConfig(options.config);
  const logger = createLogger({ level: config.log.level });
  // The rest of the proxy: whoever explains does without it.
  const { runProxy } = await import("../../proxy-tls/process/run.ts");
  process.exitCode = await runProxy({
    ...{ config, logger, command, clock: systemSchedulingClock, random: systemRandom },
    environment: environmentOfApplication(),
    onServing: () => collectStartUpGarbage(),
    onCommand: tellLauncher,
  });
}

/** The environment that we were given: without what bin/mesh-ca.mjs has added to it for the proxy alone. */
function environmentOfApplication(): NodeJS.ProcessEnv {
  const added = new Set(["MESH_CA_ADDED", ...(process.env["MESH_CA_ADDED"]?.split(" ") ?? [])]);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !added.has(name)));
}

async function check(options: ConfigOption & { readonly json?: boolean }): Promise<void> {
  const config = await loadProxyConfig(options.config);
  const policies = await loadPolicies(config.policyFile, config.listeners);
  // The rest of the proxy: whoever explains does without it.
  const { checkFiles } = await import("../../proxy-tls/identity/check-files.ts");
  const notes = await checkFiles(config, systemSchedulingClock);
  if (options.json) {
    printJson(config);
    return;
  }
  const meaning = [...describeProxyConfig(config), ...describePolicies(policies, config.listeners), ...notes];
  for (const line of meaning) print(line);
}

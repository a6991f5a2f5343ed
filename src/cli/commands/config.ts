// `mesh-ca config check|schema`.
import { Command } from "commander";
import { configJsonSchema } from "../../identity-api/index.ts";
import { print, printJson, toJson } from "../output.ts";
import { addServerConfigOptions, type ConfigOptions, configFileFor, configFor } from "../server-config.ts";

export function configCommand(): Command {
  return new Command("config")
    .description("check a configuration, or print its JSON Schema")
    .addCommand(
      addServerConfigOptions(new Command("check"))
        .description("read file, environment and flags as the server would, and say what is wrong")
        .option("--json", "print the whole configuration with its defaults as JSON")
        .action(check),
    )
    .addCommand(
      new Command("schema")
        .description("print the JSON Schema of the configuration file")
        .action(() => print(toJson(configJsonSchema(), 2))),
    );
}

async function check(options: ConfigOptions & { readonly json?: boolean }): Promise<void> {
  const config = await configFor(options);
  if (options.json) {
    // The URL of the database holds a password.
    const { url } = config.database;
    printJson({ ...config, database: { ...config.database, url: url === null ? null : "[secret]" } });
    return;
  }
  const attestors = Object.keys(config.attestors).length;
  print(
    `${configFileFor(options) ?? "environment and flags"}: valid. Trust domain ${config.trustDomain}, ${attestors} attestor${attestors === 1 ? "" : "s"}, ${config.rules.length} rule${config.rules.length === 1 ? "" : "s"}.`,
  );
}

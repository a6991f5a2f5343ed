// `mesh-ca db migrate`: brings an external database to this program's schema, with the owner's rights. The server never does that
// itself; the embedded database needs no command.
import { Command } from "commander";
import { migrateDatabase } from "../../identity-api/index.ts";
import { createLogger } from "../../runtime/index.ts";
import { print, printJson } from "../output.ts";
import { readTextFile } from "../parse.ts";
import { withProgress } from "../progress.ts";
import { addConfigOptions, type ConfigOptions, configFor } from "../server-config.ts";

interface MigrateOptions extends ConfigOptions {
  readonly databaseUrlFile: string;
  readonly json?: boolean;
}

export function dbCommand(): Command {
  return new Command("db")
    .description("the database")
    .addCommand(
      addConfigOptions(new Command("migrate"))
        .description("bring an external database to this program's schema")
        .requiredOption("--database-url-file <file>", "file with the PostgreSQL URL of the owner; - for standard input")
        .option("--json", "print JSON")
        .action(migrate),
    );
}

async function migrate(options: MigrateOptions): Promise<void> {
  const { databaseUrlFile, ...others } = options;
  const config = await configFor(others);
  const connectionString = (await readTextFile("--database-url-file", databaseUrlFile)).trim();
  const logger = createLogger({ level: "warn" });
  const { applied } = await withProgress("migrating the database", () =>
    migrateDatabase({ config, connectionString, logger }),
  );
  if (options.json) printJson({ applied });
  else print(applied.length === 0 ? "The schema is up to date." : `Applied migration ${applied.join(", ")}.`);
}

// The command line program. It prints, parses and calls; the logic is in the rooms. Every failure ends as one sentence on standard
// error with its code, and an exit code of exit-codes.ts; a stack trace only where MESH_CA_DEBUG asks for it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { MeshCaError, packageRoot } from "../runtime/index.ts";
import { auditCommand } from "./commands/audit.ts";
import { bundleCommand } from "./commands/bundle.ts";
import { configCommand } from "./commands/config.ts";
import { dbCommand } from "./commands/db.ts";
import { demoCommand } from "./commands/demo.ts";
import { explainCommand } from "./commands/explain.ts";
import { initCommand } from "./commands/init.ts";
import { ruleCommand } from "./commands/rule.ts";
import { serverCommand } from "./commands/server.ts";
import { svidCommand } from "./commands/svid.ts";
import { tokenCommand } from "./commands/token.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { followLauncher } from "./launcher.ts";
import { hint } from "./output.ts";

const EXIT_CODES = `
Exit codes:
  0  done
  1  something failed on this side
  2  the command line, the configuration or a file given is wrong
  3  the server refused
  4  the server or its database cannot be reached; try again later`;

function program(): Command {
  const { version, description }: { version: string; description: string } = JSON.parse(
    readFileSync(join(packageRoot(), "package.json"), "utf8"),
  );
  const root = new Command("mesh-ca")
    .description(description)
    .version(version)
    .addHelpText("after", EXIT_CODES)
    .showHelpAfterError("Run it with --help to see what it takes.")
    .addCommand(initCommand())
    .addCommand(serverCommand())
    .addCommand(tokenCommand())
    .addCommand(ruleCommand())
    .addCommand(svidCommand())
    .addCommand(bundleCommand())
    .addCommand(auditCommand())
    .addCommand(explainCommand())
    .addCommand(configCommand())
    .addCommand(dbCommand())
    .addCommand(demoCommand());
  throwInsteadOfExit(root);
  return root;
}

/** Otherwise commander would end the process itself, with its own codes. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) throwInsteadOfExit(child);
}

function explain(error: unknown): void {
  if (error instanceof MeshCaError) hint(`mesh-ca: ${error.message} (${error.code})`);
  else hint(`mesh-ca: ${error instanceof Error ? error.message : String(error)}`);
  if (process.env["MESH_CA_DEBUG"] === undefined) return;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) hint(cause.stack ?? cause.message);
}

/** Runs the program with its arguments (without node and file). Resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...args], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    // commander has printed its message already; its help and version are no failures.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    explain(error);
    return exitCodeOf(error);
  }
}

// A reader that closes the pipe (`| head`) has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failed),
);
followLauncher();
process.exitCode = await main(process.argv.slice(2));

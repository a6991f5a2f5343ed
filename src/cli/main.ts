// The command line program. It prints, parses and calls; the logic is in the rooms. Every failure ends as one sentence on standard
// error with its code, and an exit code of exit-codes.ts; a stack trace only where MESH_CA_DEBUG asks for it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { keepTickShape, MeshCaError, packageRoot } from "../runtime/index.ts";
import { EXIT } from "./exit-status.ts";
import { followLauncher } from "./launcher.ts";
import { hint, printable } from "./output.ts";

const EXIT_CODES = `
Exit codes:
  0  done
  1  something failed on this side
  2  the command line, the configuration or a file given is wrong
  3  the server refused
  4  the server or its database cannot be reached; try again later
  5  doctor has warnings only`;

/** Every command by its name. Only the one that is called is loaded: a server needs no client, and starts sooner without. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import("./commands/init.ts")).initCommand(),
  server: async () => (await import("./commands/server.ts")).serverCommand(),
  token: async () => (await import("./commands/token.ts")).tokenCommand(),
  rule: async () => (await import("./commands/rule.ts")).ruleCommand(),
  svid: async () => (await import("./commands/svid.ts")).svidCommand(),
  bundle: async () => (await import("./commands/bundle.ts")).bundleCommand(),
  authority: async () => (await import("./commands/authority.ts")).authorityCommand(),
  audit: async () => (await import("./commands/audit.ts")).auditCommand(),
  explain: async () => (await import("./commands/explain.ts")).explainCommand(),
  config: async () => (await import("./commands/config.ts")).configCommand(),
  db: async () => (await import("./commands/db.ts")).dbCommand(),
  proxy: async () => (await import("./commands/proxy.ts")).proxyCommand(),
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand(),
  demo: async () => (await import("./commands/demo.ts")).demoCommand(),
};

async function program(called: string | undefined): Promise<Command> {
  const { version, description }: { version: string; description: string } = JSON.parse(
    readFileSync(join(packageRoot(), "package.json"), "utf8"),
  );
  const root = new Command("mesh-ca")
    .description(description)
    .version(version)
    // What stands behind a command is not ours: `proxy run APPLICATION --version` asks the application.
    .enablePositionalOptions()
    .addHelpText("after", EXIT_CODES)
    .showHelpAfterError("Run it with --help to see what it takes.");
  const names = called !== undefined && Object.hasOwn(COMMANDS, called) ? [called] : Object.keys(COMMANDS);
  for (const name of names) {
    const command = await COMMANDS[name]?.();
    if (command !== undefined) root.addCommand(command);
  }
  throwInsteadOfExit(root);
  return root;
}

/** Otherwise commander would end the process itself, with its own codes; and its help would say "(default: [])". */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const option of command.options) {
    if (Array.isArray(option.defaultValue)) option.default(option.defaultValue, "none");
  }
  for (const child of command.commands) throwInsteadOfExit(child);
}

function explain(error: unknown): void {
  // A sentence may quote what a stranger wrote: it keeps its lines, and steers no terminal.
  const sentence = (error instanceof Error ? error.message : String(error)).split("\n").map(printable).join("\n");
  hint(`mesh-ca: ${sentence}${error instanceof MeshCaError ? ` (${error.code})` : ""}`);
  if (process.env["MESH_CA_DEBUG"] === undefined) return;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) hint(cause.stack ?? cause.message);
}

/** Runs the program with its arguments (without node and file). Resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await (await program(args[0])).parseAsync([...args], { from: "user" });
    // A command whose answer is its exit code has set it.
    return typeof process.exitCode === "number" ? process.exitCode : EXIT.ok;
  } catch (error) {
    // commander has printed its message already; its help and version are no failures.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    explain(error);
    return (await import("./exit-codes.ts")).exitCodeOf(error);
  }
}

// A reader that closes the pipe (`| head`) has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? EXIT.ok : EXIT.failed),
);
followLauncher();
keepTickShape();
process.exitCode = await main(process.argv.slice(2));

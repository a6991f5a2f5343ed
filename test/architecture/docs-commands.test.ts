// Every command line of ours that the documentation prints is one that the program takes: its commands and its options.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { filesBelow, readProjectFile } from "../../scripts/lib/files.ts";
import { auditCommand } from "../../src/cli/commands/audit.ts";
import { authorityCommand } from "../../src/cli/commands/authority.ts";
import { bundleCommand } from "../../src/cli/commands/bundle.ts";
import { configCommand } from "../../src/cli/commands/config.ts";
import { dbCommand } from "../../src/cli/commands/db.ts";
import { demoCommand } from "../../src/cli/commands/demo.ts";
import { doctorCommand } from "../../src/cli/commands/doctor.ts";
import { explainCommand } from "../../src/cli/commands/explain.ts";
import { initCommand } from "../../src/cli/commands/init.ts";
import { proxyCommand } from "../../src/cli/commands/proxy.ts";
import { ruleCommand } from "../../src/cli/commands/rule.ts";
import { serverCommand } from "../../src/cli/commands/server.ts";
import { svidCommand } from "../../src/cli/commands/svid.ts";
import { tokenCommand } from "../../src/cli/commands/token.ts";

const program = new Command("mesh-ca").version("0");
for (const command of [
  auditCommand(),
  authorityCommand(),
  bundleCommand(),
  configCommand(),
  dbCommand(),
  demoCommand(),
  doctorCommand(),
  explainCommand(),
  initCommand(),
  proxyCommand(),
  ruleCommand(),
  serverCommand(),
  svidCommand(),
  tokenCommand(),
]) {
  program.addCommand(command);
}
const PAGES = ["README.md", "SECURITY.md", "CONTRIBUTING.md", ...filesBelow("docs", (path) => path.endsWith(".md"))];

/** What is wrong with a command line (without the program's name), or undefined. */
function problemOf(line: string): string | undefined {
  let command = program;
  for (const word of line.split(/\s+/)) {
    // What stands behind -- is another program's.
    if (word === "--" || /^[|>&#]/.test(word)) break;
    if (word.startsWith("-") && word.length > 1) {
      const name = word.split("=")[0];
      const known = command.options.some(({ short, long }) => short === name || long === name);
      if (!known && name !== "--help") return `${command.name()} has no option ${name}`;
    } else if (command.commands.length > 0) {
      const next = command.commands.find((child) => child.name() === word);
      if (next === undefined) return `${command.name()} has no command ${word}`;
      command = next;
    }
  }
  return undefined;
}

/** Command lines in code, in blocks and in sentences; line breaks in a sentence's code are spaces. */
function commandLines(page: string): string[] {
  const text = readProjectFile(page);
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block = ""]) => block.split("\n"));
  const spans = [...text.replace(/^```.*?^```/gms, "").matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span);
  return [...blocks, ...spans].flatMap((line) => /^(?:npx )?mesh-ca\s+([a-z-].*)$/s.exec(line)?.[1] ?? []);
}

test("every command line that the documentation prints exists, with its options", () => {
  const lines = PAGES.flatMap((page) => commandLines(page).map((line) => ({ page, line })));
  assert.ok(lines.length > 30, `found ${lines.length} command lines`);
  const wrong = lines.flatMap(({ page, line }) => {
    const problem = problemOf(line.replace(/\s*\|.*$/s, ""));
    return problem === undefined ? [] : [`${page}: mesh-ca ${line}: ${problem}`];
  });
  assert.deepEqual(wrong, []);
});

test("what does not exist is noticed", () => {
  assert.equal(problemOf("audit list --spiffe-id spiffe://a.test/b"), "list has no option --spiffe-id");
  assert.equal(problemOf("approval list"), "mesh-ca has no command approval");
  assert.equal(problemOf("token create -a service=cart > cart.token"), undefined);
});

test("every command is on the map, docs/cli.md", () => {
  const page = readProjectFile("docs/cli.md");
  const missing = program.commands.flatMap((command) => {
    const names = command.commands.map((child) => `${command.name()} ${child.name()}`);
    return (names.length === 0 ? [command.name()] : names).filter((name) => !page.includes(`\`${name}\``));
  });
  assert.deepEqual(missing, []);
});

test("what answers something takes --json, and what does not is named on that page", () => {
  const without = program.commands
    .flatMap((command) => (command.commands.length === 0 ? [command] : command.commands))
    .filter((command) => !command.options.some(({ long }) => long === "--json"))
    .map((command) => command.name());
  assert.deepEqual(without.sort(), ["export", "run", "schema", "schema", "server"]);
});

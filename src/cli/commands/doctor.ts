// `mesh-ca doctor`: looks at everything that will hurt later, and changes nothing. What is looked at is in src/identity-api/doctor.
import { Command } from "commander";
import { CHECK_IDS, type CheckResult, type DoctorReport, examine } from "../../identity-api/index.ts";
import { CliError } from "../errors.ts";
import { EXIT } from "../exit-status.ts";
import { facts, print, printJson, table } from "../output.ts";
import { collect } from "../parse.ts";
import { withProgress } from "../progress.ts";
import { addServerConfigOptions, type ConfigOptions, configFileFor, configFor } from "../server-config.ts";

interface DoctorCommandOptions extends ConfigOptions {
  readonly accept: readonly string[];
  readonly json?: boolean;
}

const EXIT_CODES = `
Exit codes:
  0  nothing to mend
  1  a check failed: something is wrong now
  2  the command line or the configuration is wrong
  5  warnings only: something will hurt later`;

export function doctorCommand(): Command {
  return addServerConfigOptions(new Command("doctor"))
    .description("look at everything that will hurt later; changes nothing")
    .option("--accept <check>", "a check whose warnings you know of: shown, but not counted (repeatable)", collect, [])
    .option("--json", "print JSON")
    .addHelpText("after", EXIT_CODES)
    .action(doctor);
}

async function doctor(options: DoctorCommandOptions): Promise<void> {
  for (const id of options.accept) {
    if (CHECK_IDS.includes(id)) continue;
    throw new CliError("MCA_CLI_USAGE", `--accept ${id}: there is no such check. They are: ${CHECK_IDS.join(", ")}.`);
  }
  const config = await configFor(options).then(
    (value) => ({ kind: "loaded", value }) as const,
    (error: unknown) => ({ kind: "broken", error }) as const,
  );
  const report = await withProgress("examining", () =>
    examine({ config, configFile: fileOf(options), accept: options.accept }),
  );
  if (options.json) printJson(report);
  else printReport(report);
  process.exitCode = config.kind === "broken" ? EXIT.usage : EXIT_OF_STATUS[report.status];
}

const EXIT_OF_STATUS = { ok: EXIT.ok, failed: EXIT.failed, warning: EXIT.warnings } as const;

/** Where not even the data directory can be told there is no file either; that is said by the check config. */
function fileOf(options: ConfigOptions): string | undefined {
  try {
    return configFileFor(options);
  } catch {
    return undefined;
  }
}

function printReport({ checks }: DoctorReport): void {
  print(
    table(
      ["STATUS", "CHECK", "FOUND"],
      checks.map(({ status, id, found, accepted }) => [accepted ? `${status} (accepted)` : status, id, found]),
    ),
  );
  for (const check of checks) {
    if (check.status !== "failed" && check.status !== "warning") continue;
    const { id, found, expected, command } = check;
    const advice: (readonly [string, string])[] = [
      ["found", found],
      ["expected", expected ?? "-"],
    ];
    if (command !== undefined) advice.push(["what helps", command]);
    print(`\n${check.status.toUpperCase()} ${id}\n${facts(advice)}`);
  }
  print(`\n${summary(checks)}`);
}

function summary(checks: readonly CheckResult[]): string {
  const count = (status: string): number => checks.filter((check) => check.status === status).length;
  const warnings = count("warning");
  return `${count("ok")} ok, ${warnings} warning${warnings === 1 ? "" : "s"}, ${count("failed")} failed, ${count("skipped")} skipped`;
}

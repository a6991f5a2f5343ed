// `mesh-ca init`: creates a trust domain, once. For a laptop (--development) it writes a configuration file first.
import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Command } from "commander";
import { stringify } from "yaml";
import { initialise } from "../../identity-api/index.ts";
import { createLogger } from "../../runtime/index.ts";
import { encodePem } from "../../x509/index.ts";
import { CliError } from "../errors.ts";
import { facts, hint, print, printJson, writeOutput } from "../output.ts";
import { withProgress } from "../progress.ts";
import {
  addServerConfigOptions,
  CONFIG_FILE_NAME,
  type ConfigOptions,
  configFileFor,
  configFor,
  dataDirFor,
} from "../server-config.ts";

interface InitOptions extends ConfigOptions {
  readonly development?: boolean;
  readonly trustDomain?: string;
  readonly csr?: string;
  readonly sheet?: string;
  readonly json?: boolean;
}

const DEVELOPMENT_TRUST_DOMAIN = "example.test";

export function initCommand(): Command {
  return addServerConfigOptions(new Command("init"))
    .description("create a trust domain: data directory, database schema and first authority; once")
    .option("--development", "for a laptop: the admin socket asks for no reason, a configuration file is written")
    .option("--trust-domain <name>", "name of the trust domain, where no configuration file names it")
    .option("--csr <file>", "upstream offline: write the request to a file instead of standard output")
    .option(
      "--sheet <file>",
      "upstream offline: write the sheet for those who sign to a file instead of standard error",
    )
    .option("--json", "print JSON")
    .action(run);
}

async function run(options: InitOptions): Promise<void> {
  const development = options.development === true;
  const set = options.trustDomain === undefined ? options.set : [...options.set, `trustDomain=${options.trustDomain}`];
  if (configFileFor(options) === undefined && development) {
    await writeDevelopmentConfig(dataDirFor(options), options.trustDomain ?? DEVELOPMENT_TRUST_DOMAIN);
  } else if (configFileFor(options) === undefined && options.trustDomain === undefined && !namesTrustDomain(options)) {
    throw new CliError(
      "MCA_CLI_USAGE",
      "There is no configuration file. Give --config FILE, or --trust-domain NAME with settings in the environment, or --development for a laptop.",
    );
  }
  const config = await configFor({ ...options, set });
  const logger = createLogger({ level: config.log.level === "info" ? "warn" : config.log.level });
  const csrFile = options.csr === undefined ? undefined : basename(options.csr);
  const done = await withProgress("preparing the trust domain", () =>
    initialise({ config, development, csrFile, logger }),
  );
  const { request } = done;
  const csr = request === undefined ? undefined : encodePem("CERTIFICATE REQUEST", request.csr);
  if (csr !== undefined && options.csr !== undefined) await writeOutput("--csr", options.csr, csr);
  if (request !== undefined && options.sheet !== undefined) {
    await writeOutput("--sheet", options.sheet, request.sheet);
  }
  if (options.json) {
    printJson({ ...done, request: request === undefined ? null : { ...request, csr }, development });
    return;
  }
  const described = facts([
    ["trust domain", done.trustDomain],
    ["data directory", done.dataDir],
    [request === undefined ? "authority" : "authority (waits for a signature)", done.authority],
  ]);
  const server = `npx mesh-ca server${serverOptions(options)}`;
  if (request === undefined) {
    print(described);
    hint(`\nNext: ${server}`);
    return;
  }
  // Standard output is for the request, so that it can be piped.
  if (options.csr === undefined) print(csr ?? "");
  if (options.sheet === undefined) hint(request.sheet);
  hint(
    `${described}\n\nNext: have the request signed; meanwhile ${server}, which says what it waits for\nThen: npx mesh-ca authority import FILE${dataDirOption(options)} (try it first with --dry-run)`,
  );
}

function dataDirOption({ dataDir }: InitOptions): string {
  return dataDir === undefined ? "" : ` --data-dir ${dataDir}`;
}

function namesTrustDomain(options: InitOptions): boolean {
  return (
    process.env["MESH_CA_TRUST_DOMAIN"] !== undefined || options.set.some((pair) => pair.startsWith("trustDomain="))
  );
}

function serverOptions(options: InitOptions): string {
  if (options.config !== undefined) return ` --config ${options.config}`;
  return options.dataDir === undefined ? "" : ` --data-dir ${options.dataDir}`;
}

/** Join tokens with an attribute `service` name a workload: enough to try everything. */
async function writeDevelopmentConfig(dataDir: string, trustDomain: string): Promise<void> {
  const file = join(dataDir, CONFIG_FILE_NAME);
  if (existsSync(file)) return;
  const config = {
    trustDomain,
    dataDir,
    listen: { grpc: { host: "127.0.0.1" }, https: { host: "127.0.0.1" } },
    issuance: { minTtlSeconds: 5 },
    attestors: { token: { kind: "join-token" } },
    rules: [
      { name: "development", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
    ],
  };
  const made = await mkdir(dataDir, { recursive: true });
  // PostgreSQL runs as a user of its own below it, where we are root.
  if (made !== undefined) await chmod(dataDir, process.getuid?.() === 0 ? 0o711 : 0o700);
  const header =
    "# A development trust domain, written by mesh-ca init --development. Every key: docs/configuration.md\n";
  await writeFile(file, header + stringify(config), { mode: 0o600, flag: "wx" });
}

// `npm run bench`: what an issued and recorded identity costs, as a multiple of what its two elliptic-curve operations cost on
// this machine in this run. The server runs from dist/ in its own process, the load in another; only the server is counted.
//   npm run bench                   the whole run, 200,000 issuances, some minutes
//   npm run bench -- --short        a short one
//   npm run bench -- --json FILE    figures for machines as well
//   npm run bench -- --report-only  ends with 0 even where a budget is missed
//   npm run bench -- --only PART    issuance; or authority: latencies while the authority changes; or proxy
//   npm run bench -- --profile DIR  the server under load writes a CPU profile there (and is slower: no figures to quote)
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { run, stop } from "../../scripts/lib/command.ts";
import { ServerProcess } from "../support/server-process.ts";
import { measureAuthorityChange } from "./authority-change.ts";
import { type IssuanceSize, measureIssuance } from "./issuance.ts";
import { Load } from "./load.ts";
import { measureProxy } from "./proxy/main.ts";
import { type Figure, missed, printTable, promise, writeJson } from "./report.ts";

const WORKLOADS = 64;

/** Everything as shipped but for the quotas: the load renews each lineage hundreds of times a minute. */
const CONFIG = {
  attestors: { token: { kind: "join-token" } },
  rules: [{ name: "bench", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/bench/{token.service}" }],
  quotas: {
    lineage: { burst: 10_000_000, perHour: 1_000_000_000 },
    rule: { burst: 10_000_000, perHour: 1_000_000_000 },
  },
};

interface Size extends IssuanceSize {
  readonly authority: { readonly warmUp: number; readonly unchangedSeconds: number; readonly changes: number };
}
const WHOLE: Size = {
  ...{ warmUp: 5_000, rounds: 10, perRound: 20_000, starts: 5 },
  authority: { warmUp: 5_000, unchangedSeconds: 10, changes: 4 },
};
const SHORT: Size = {
  ...{ warmUp: 10_000, rounds: 3, perRound: 4_000, starts: 3 },
  authority: { warmUp: 3_000, unchangedSeconds: 5, changes: 2 },
};
type Part = "issuance" | "authority" | "proxy";
const PARTS: readonly string[] = ["issuance", "authority", "proxy"] satisfies Part[];

const { values: options } = parseArgs({
  options: {
    json: { type: "string" },
    short: { type: "boolean" },
    "report-only": { type: "boolean" },
    only: { type: "string" },
    profile: { type: "string" },
  },
});
const size = options.short ? SHORT : WHOLE;
if (!existsSync("/proc/self/stat")) stop("The bench reads CPU times from /proc and runs on Linux only.");

if (options.only !== undefined && !PARTS.includes(options.only)) stop(`--only takes one of: ${PARTS.join(", ")}.`);
const serverFlags = options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profile}`];

const machine = {
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: availableParallelism(),
  system: `${process.platform} ${process.arch} ${release()}`,
  node: process.version,
};
console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}\n`);
if ((await run("npm", ["run", "--silent", "build"])) !== 0) stop("The bench measures dist/, and the build failed.");

// 0711: PostgreSQL runs under another user where the bench runs as root, and has to pass through.
const folder = mkdtempSync(join(tmpdir(), "mesh-ca-bench-"));
chmodSync(folder, 0o711);
const figures: Figure[] = [];
let server: ServerProcess | undefined;
let load: Load | undefined;
// An interrupted bench leaves no server and no folder behind.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void cleanUp().then(() => process.exit(130)));
try {
  if (wanted("issuance")) {
    server = await ServerProcess.initialise(folder, {
      main: "dist/cli/main.js",
      trustDomain: "bench.test",
      config: CONFIG,
    });
    load = await Load.start();
    const sized = { ...size, workloads: WORKLOADS, serverFlags, short: options.short === true };
    figures.push(...(await measureIssuance(server, load, sized)));
  }
  if (wanted("authority")) {
    const onServer = (started: ServerProcess): void => {
      server = started;
    };
    const change = { folder, config: CONFIG, workloads: WORKLOADS, serverFlags, onServer, ...size.authority };
    figures.push(...(await measureAuthorityChange(change)));
  }
  if (wanted("proxy")) {
    figures.push(...(await measureProxy({ folder, short: options.short === true, flags: serverFlags })));
  }
} catch (error) {
  await cleanUp();
  stop(`The bench could not be run: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  await cleanUp();
}

printTable(figures);
if (options.json !== undefined) writeJson(options.json, machine, figures);
const over = missed(figures);
if (over.length > 0) {
  const sentence = `Missed: ${over.map((figure) => `${figure.name} is ${figure.value}, promised is ${promise(figure)}`).join("; ")}.`;
  if (options["report-only"]) console.log(`\n${sentence}`);
  else stop(sentence);
}

function wanted(part: Part): boolean {
  return options.only === undefined || options.only === part;
}

async function cleanUp(): Promise<void> {
  load?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
}

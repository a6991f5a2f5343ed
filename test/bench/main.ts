// `npm run bench`: what an issued and recorded identity costs, as a multiple of what its two elliptic-curve operations cost on
// this machine in this run. The server runs from dist/ in its own process, the load in another; only the server is counted.
//   npm run bench                   the whole run, 200,000 issuances, some minutes
//   npm run bench -- --short        a short one
//   npm run bench -- --json FILE    figures for machines as well; what FILE holds of parts that do not run is kept
//   npm run bench -- --report-only  ends with 0 even where a budget is missed
//   npm run bench -- --only PART    issuance; or authority: latencies while the authority changes; or proxy
//   npm run bench -- --only proxy --part http1,idle    some of the proxy's parts
//   npm run bench -- --profile DIR  the server under load writes a CPU profile there (and is slower: no figures to quote)
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { run, stop } from "../../scripts/lib/command.ts";
import { ServerProcess } from "../support/server-process.ts";
import { type AuthorityChangeOptions, measureAuthorityChange } from "./authority-change.ts";
import { type IssuanceSize, measureIssuance } from "./issuance.ts";
import { Load } from "./load.ts";
import { foreignFor, measureProxy, PROXY_PARTS, type ProxyPart } from "./proxy/main.ts";
import { type Figure, missed, printTable, promise } from "./report.ts";
import { mergeReports, type Report, readReport, writeReport } from "./report-file.ts";

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
  readonly authority: Pick<AuthorityChangeOptions, "warmUp" | "unchangedSeconds" | "imports" | "rotations">;
}
const WHOLE: Size = {
  ...{ warmUp: 5_000, rounds: 10, perRound: 20_000, starts: 5, idleSeconds: 5 },
  authority: { warmUp: 5_000, unchangedSeconds: 10, imports: 4, rotations: 4 },
};
const SHORT: Size = {
  ...{ warmUp: 6_000, rounds: 3, perRound: 2_500, starts: 2, idleSeconds: 2 },
  authority: { warmUp: 3_000, unchangedSeconds: 2, imports: 2, rotations: 1 },
};
type Part = "issuance" | "authority" | "proxy";
/** How the figures of each part begin. */
const PARTS: ReadonlyMap<Part, readonly string[]> = new Map([
  ["issuance", ["floor.", "svid.", "ledger.", "start.", "memory."]],
  ["authority", ["authority."]],
  ["proxy", ["proxy."]],
]);

const { values: options } = parseArgs({
  options: {
    json: { type: "string" },
    short: { type: "boolean" },
    "report-only": { type: "boolean" },
    only: { type: "string" },
    part: { type: "string" },
    profile: { type: "string" },
  },
});
const size = options.short ? SHORT : WHOLE;
if (!existsSync("/proc/self/stat")) stop("The bench reads CPU times from /proc and runs on Linux only.");

const parts = [...PARTS.keys()].filter((part) => options.only === undefined || options.only === part);
if (parts.length === 0) stop(`--only takes one of: ${[...PARTS.keys()].join(", ")}.`);
const proxyParts = new Set<ProxyPart>(PROXY_PARTS.filter((part) => options.part?.split(",").includes(part) ?? true));
if (proxyParts.size < (options.part?.split(",").length ?? 0)) stop(`--part takes some of: ${PROXY_PARTS.join(",")}.`);
if (options.part !== undefined && options.only !== "proxy") stop("--part goes with --only proxy.");
// Before anything is measured: a file that cannot be read is no news for the end.
const earlier = earlierReport(options.json);
const serverFlags = options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profile}`];

const foreign = parts.includes("proxy") ? await foreignFor(options.short === true) : { installed: [], missing: [] };
const machine = {
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: availableParallelism(),
  system: `${process.platform} ${process.arch} ${release()}`,
  node: process.version,
  ...Object.fromEntries(foreign.installed.map(({ foreign: { name }, version }) => [name, version])),
  ...(options.short ? { run: "short" } : {}),
};
console.log(
  `${Object.entries(machine)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ")}\n`,
);
if ((await run("npm", ["run", "--silent", "build"])) !== 0) stop("The bench measures dist/, and the build failed.");

// 0711: PostgreSQL runs under another user where the bench runs as root, and has to pass through.
const folder = mkdtempSync(join(tmpdir(), "mesh-ca-bench-"));
chmodSync(folder, 0o711);
const figures: Figure[] = [];
const servers: ServerProcess[] = [];
let load: Load | undefined;
let broken: string | undefined;
// An interrupted bench leaves no server and no folder behind.
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => void cleanUp().then(() => process.exit(130)));
try {
  if (parts.includes("issuance")) {
    const server = await ServerProcess.initialise(folder, {
      main: "dist/cli/main.js",
      trustDomain: "bench.test",
      config: CONFIG,
    });
    servers.push(server);
    load = await Load.start();
    const sized = { ...size, workloads: WORKLOADS, serverFlags, short: options.short === true };
    figures.push(...(await measureIssuance(server, load, sized)));
  }
  if (parts.includes("authority")) {
    const onServer = (started: ServerProcess): void => void servers.push(started);
    const change = { folder, config: CONFIG, workloads: WORKLOADS, serverFlags, onServer, ...size.authority };
    figures.push(...(await measureAuthorityChange(change)));
  }
  if (parts.includes("proxy")) {
    const proxy = { folder, short: options.short === true, parts: proxyParts, flags: serverFlags, foreign };
    for await (const measured of measureProxy(proxy)) figures.push(...measured);
  }
} catch (error) {
  broken = error instanceof Error ? error.message : String(error);
} finally {
  await cleanUp();
}

if (figures.length > 0) printTable(figures);
for (const name of foreign.missing) console.log(`\nSKIPPED: ${name} is not installed on this machine.`);
if (options.json !== undefined && figures.length > 0) {
  // What was not measured to its end replaces by name only.
  const families =
    broken === undefined && options.part === undefined ? parts.flatMap((part) => PARTS.get(part) ?? []) : [];
  writeReport(options.json, mergeReports(earlier, { machine, figures }, families));
}
if (broken !== undefined) stop(`The bench could not be run to its end: ${broken}`);
const over = missed(figures);
if (over.length > 0) {
  const sentence = `Missed: ${over.map((figure) => `${figure.name} is ${figure.value}, promised is ${promise(figure)}`).join("; ")}.`;
  if (options["report-only"]) console.log(`\n${sentence}`);
  else stop(sentence);
}

function earlierReport(file: string | undefined): Report | undefined {
  try {
    return file === undefined ? undefined : readReport(file);
  } catch (error) {
    return stop(`${file} cannot be added to: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function cleanUp(): Promise<void> {
  load?.close();
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

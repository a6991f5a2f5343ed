// `npm run bench`: what an issued and recorded identity costs, as a multiple of what its two elliptic-curve operations cost on
// this machine in this run. The server runs from dist/ in its own process, the load in another; only the server is counted.
//   npm run bench                   the whole run, 200,000 issuances, some minutes
//   npm run bench -- --short        a short one
//   npm run bench -- --json FILE    figures for machines as well
//   npm run bench -- --report-only  ends with 0 even where a budget is missed
//   npm run bench -- --only PART    issuance, or authority: latencies while the authority changes
//   npm run bench -- --profile DIR  the server under load writes a CPU profile there (and is slower: no figures to quote)
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { run, stop } from "../../scripts/lib/command.ts";
import { connect, issue } from "../support/api-client.ts";
import { ServerProcess } from "../support/server-process.ts";
import { measureAuthorityChange } from "./authority-change.ts";
import { measureFloor } from "./floor.ts";
import { quantileBetween, readHistogram } from "./histogram.ts";
import { Load } from "./load.ts";
import { cpuSecondsBelow, cpuSecondsOf, residentMegabytes } from "./process-stats.ts";
import { type Figure, figure, median, missed, printTable, writeJson } from "./report.ts";
import { identityFrom, prepareKey } from "./workload.ts";

const WORKLOADS = 64;
const IN_FLIGHT = 32;
const COMMIT_HISTOGRAM = "mesh_ca_ledger_commit_seconds";
const IDLE_SECONDS = 5;
const MEMORY_SAMPLE_MS = 250;
const START_TIMEOUT_MS = 30_000;

/** Everything as shipped but for the quotas: the load renews each lineage hundreds of times a minute. */
const CONFIG = {
  attestors: { token: { kind: "join-token" } },
  rules: [{ name: "bench", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/bench/{token.service}" }],
  quotas: {
    lineage: { burst: 10_000_000, perHour: 1_000_000_000 },
    rule: { burst: 10_000_000, perHour: 1_000_000_000 },
  },
};

interface Size {
  readonly warmUp: number;
  readonly rounds: number;
  readonly perRound: number;
  readonly starts: number;
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
const PARTS: readonly string[] = ["issuance", "authority"];

/** One measured round: microseconds of CPU per issued SVID, and the floor measured right before and after it. */
interface Round {
  readonly nodeUs: number;
  readonly postgresUs: number;
  readonly floorUs: number;
  readonly commitP50Ms: number;
  readonly callP50Ms: number;
  readonly callP99Ms: number;
  readonly perSecond: number;
  readonly residentMb: number;
}

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
  if (options.only !== "authority") {
    server = await ServerProcess.initialise(folder, {
      main: "dist/cli/main.js",
      trustDomain: "bench.test",
      config: CONFIG,
    });
    load = await Load.start();
    figures.push(...(await measure(server, load)));
  }
  if (options.only !== "issuance") {
    const onServer = (started: ServerProcess): void => {
      server = started;
    };
    const change = { folder, config: CONFIG, workloads: WORKLOADS, serverFlags, onServer, ...size.authority };
    figures.push(...(await measureAuthorityChange(change)));
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
  const sentence = `Over budget: ${over.map(({ name, value, budget }) => `${name} is ${value}, at most ${budget} allowed`).join("; ")}.`;
  if (options["report-only"]) console.log(`\n${sentence}`);
  else stop(sentence);
}

async function cleanUp(): Promise<void> {
  load?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(target: ServerProcess, client: Load): Promise<Figure[]> {
  target.spawn(serverFlags);
  await target.ready();
  await client.enrol(
    target.address,
    await target.tokens(Array.from({ length: WORKLOADS }, (_, index) => `workload-${index}`)),
  );
  await client.prepare(size.warmUp);
  await client.run(size.warmUp, IN_FLIGHT);

  const rounds: Round[] = [];
  for (let index = 0; index < size.rounds; index++) {
    rounds.push(await measureRound(target, client));
    const last = rounds.at(-1);
    if (last) console.log(`round ${index + 1} of ${size.rounds}: ${describe(last)}`);
  }

  const identity = await client.identity();
  client.close();
  await target.stop();
  const starts: number[] = [];
  let idleMb = 0;
  let current = identity;
  for (let index = 0; index < size.starts; index++) {
    const started = performance.now();
    target.spawn();
    current = await firstCertificate(target, current);
    starts.push((performance.now() - started) / 1000);
    if (index === size.starts - 1) {
      await sleep(IDLE_SECONDS * 1000);
      idleMb = residentMegabytes(target.pid);
    }
    await target.stop();
  }
  console.log("");

  const middle = (pick: (round: Round) => number): number => median(rounds.map(pick));
  const grown = (rounds.at(-1)?.residentMb ?? 0) - (rounds[Math.floor(size.rounds / 5)]?.residentMb ?? 0);
  return [
    figure(
      "floor.us",
      middle((round) => round.floorUs),
      "us",
    ),
    figure(
      "svid.node_cpu_us",
      middle((round) => round.nodeUs),
      "us",
    ),
    figure(
      "svid.postgres_cpu_us",
      middle((round) => round.postgresUs),
      "us",
    ),
    figure(
      "svid.node_cpu_floor_ratio",
      middle((round) => round.nodeUs / round.floorUs),
      "floor",
    ),
    figure(
      "svid.total_cpu_floor_ratio",
      middle((round) => (round.nodeUs + round.postgresUs) / round.floorUs),
      "floor",
    ),
    figure(
      "svid.per_second",
      middle((round) => round.perSecond),
      "1/s",
    ),
    figure(
      "svid.call_p50_ms",
      middle((round) => round.callP50Ms),
      "ms",
    ),
    figure(
      "svid.call_p99_ms",
      middle((round) => round.callP99Ms),
      "ms",
    ),
    figure(
      "ledger.commit_p50_ms",
      middle((round) => round.commitP50Ms),
      "ms",
    ),
    figure("start.first_certificate_s", median(starts), "s"),
    figure("memory.idle_mb", idleMb, "MB"),
    figure("memory.loaded_mb", Math.max(...rounds.map((round) => round.residentMb)), "MB"),
    // From a fifth of the run on: before that the process is still growing to its working size.
    figure("memory.growth_mb", Math.max(0, grown), "MB", options.short ? { budget: null } : {}),
    figure("memory.issuances", size.rounds * size.perRound, "issuances"),
  ];
}

async function measureRound(target: ServerProcess, client: Load): Promise<Round> {
  await client.prepare(size.perRound);
  const floorBefore = measureFloor();
  const commitsBefore = readHistogram(await target.metrics(), COMMIT_HISTOGRAM);
  const { pid } = target;
  const resident: number[] = [];
  const sampler = setInterval(() => resident.push(residentMegabytes(pid)), MEMORY_SAMPLE_MS);
  const nodeBefore = cpuSecondsOf(pid);
  const postgresBefore = cpuSecondsBelow(pid);
  const result = await client.run(size.perRound, IN_FLIGHT);
  const nodeSeconds = cpuSecondsOf(pid) - nodeBefore;
  const postgresSeconds = cpuSecondsBelow(pid) - postgresBefore;
  clearInterval(sampler);
  const commitsAfter = readHistogram(await target.metrics(), COMMIT_HISTOGRAM);
  return {
    nodeUs: (nodeSeconds * 1e6) / size.perRound,
    postgresUs: (postgresSeconds * 1e6) / size.perRound,
    floorUs: (floorBefore + measureFloor()) / 2,
    commitP50Ms: quantileBetween(commitsBefore, commitsAfter, 0.5) * 1000,
    callP50Ms: result.p50Ms,
    callP99Ms: result.p99Ms,
    perSecond: size.perRound / result.seconds,
    residentMb: median(resident),
  };
}

/** Asks for a certificate until there is one, by the identity of before the restart. */
async function firstCertificate(
  target: ServerProcess,
  identity: Parameters<typeof connect>[1],
): Promise<NonNullable<typeof identity>> {
  const { key, csr } = prepareKey();
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    target.pid; // throws where the process has ended
    const client = connect(target.address, identity);
    try {
      return identityFrom(await issue(client, { csr, evidence: { $case: "tlsCertificate", value: {} } }), key);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(10);
    } finally {
      client.close();
    }
  }
}

function describe(round: Round): string {
  const ratio = (round.nodeUs / round.floorUs).toFixed(2);
  return (
    `${round.nodeUs.toFixed(0)} us Node = ${ratio} floor (${round.floorUs.toFixed(0)} us), ${round.postgresUs.toFixed(0)} us PostgreSQL, ` +
    `${round.perSecond.toFixed(0)}/s, commit p50 ${round.commitP50Ms.toFixed(2)} ms, ${round.residentMb.toFixed(0)} MB`
  );
}

// The issuance part of the bench: CPU for each renewed and recorded certificate, its latency, the start and the memory of the server.
import { setTimeout as sleep } from "node:timers/promises";
import { connect, issue } from "../support/api-client.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { measureFloor } from "./floor.ts";
import { quantileBetween, readHistogram } from "./histogram.ts";
import type { Load } from "./load.ts";
import { cpuSecondsBelow, cpuSecondsOf, residentMegabytes } from "./process-stats.ts";
import { type Figure, figure, median, tell } from "./report.ts";
import { identityFrom, prepareKey } from "./workload.ts";

const IN_FLIGHT = 32;
const COMMIT_HISTOGRAM = "mesh_ca_ledger_commit_seconds";
const MEMORY_SAMPLE_MS = 250;
const START_TIMEOUT_MS = 30_000;

export interface IssuanceSize {
  readonly warmUp: number;
  readonly rounds: number;
  readonly perRound: number;
  readonly starts: number;
  /** Before idle memory is read. */
  readonly idleSeconds: number;
}

interface IssuanceRun {
  readonly workloads: number;
  /** Flags of node. */
  readonly serverFlags: readonly string[];
  readonly short: boolean;
}

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

/** Enrols, renews under load, and starts again: what an issued and recorded identity costs. */
export async function measureIssuance(
  target: ServerProcess,
  client: Load,
  size: IssuanceSize & IssuanceRun,
): Promise<Figure[]> {
  tell("issuance");
  target.spawn(size.serverFlags);
  await target.ready();
  await client.enrol(
    target.address,
    await target.tokens(Array.from({ length: size.workloads }, (_, index) => `workload-${index}`)),
  );
  await client.prepare(size.warmUp);
  await client.run(size.warmUp, IN_FLIGHT);

  const rounds: Round[] = [];
  for (let index = 0; index < size.rounds; index++) {
    rounds.push(await measureRound(target, client, size.perRound));
    const last = rounds.at(-1);
    if (last) tell(`issuance: round ${index + 1} of ${size.rounds}: ${describe(last)}`);
  }

  tell(`issuance: ${size.starts} starts`);
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
      await sleep(size.idleSeconds * 1000);
      idleMb = residentMegabytes(target.pid);
    }
    await target.stop();
  }
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
    figure("memory.growth_mb", Math.max(0, grown), "MB", size.short ? { budget: null } : {}),
    figure("memory.issuances", size.rounds * size.perRound, "issuances"),
  ];
}

async function measureRound(target: ServerProcess, client: Load, perRound: number): Promise<Round> {
  await client.prepare(perRound);
  const floorBefore = measureFloor();
  const commitsBefore = readHistogram(await target.metrics(), COMMIT_HISTOGRAM);
  const { pid } = target;
  const resident: number[] = [];
  const sampler = setInterval(() => resident.push(residentMegabytes(pid)), MEMORY_SAMPLE_MS);
  const nodeBefore = cpuSecondsOf(pid);
  const postgresBefore = cpuSecondsBelow(pid);
  const result = await client.run(perRound, IN_FLIGHT);
  const nodeSeconds = cpuSecondsOf(pid) - nodeBefore;
  const postgresSeconds = cpuSecondsBelow(pid) - postgresBefore;
  clearInterval(sampler);
  const commitsAfter = readHistogram(await target.metrics(), COMMIT_HISTOGRAM);
  return {
    nodeUs: (nodeSeconds * 1e6) / perRound,
    postgresUs: (postgresSeconds * 1e6) / perRound,
    floorUs: (floorBefore + measureFloor()) / 2,
    commitP50Ms: quantileBetween(commitsBefore, commitsAfter, 0.5) * 1000,
    callP50Ms: result.p50Ms,
    callP99Ms: result.p99Ms,
    perSecond: perRound / result.seconds,
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

// What a handshake, a call and a megabyte cost, as a multiple of what they cost a plain Node program; and beside foreign programs.
import { type Figure, figure, median, tell } from "../report.ts";
import type { LoadClient } from "./load.ts";
import type { Wire } from "./messages.ts";
import { type Measured, measureRounds, type Rounds } from "./rounds.ts";
import type { Ports, Role, Subject } from "./subject.ts";

const CONNECTIONS = 64;
const H2_SESSIONS = 8;
const HANDSHAKES_IN_FLIGHT = 16;
const MEGABYTE = 1024 * 1024;

export interface EfficiencySize {
  readonly rounds: number;
  /** Of a round. HTTP/2 does more in each, and gets half. */
  readonly calls: number;
  /** After so many V8 has compiled what it will compile. */
  readonly warmUpCalls: number;
  readonly handshakes: number;
  readonly warmUpHandshakes: number;
  readonly bulkRounds: number;
  /** Bytes in each direction of a round. */
  readonly bulkBytes: number;
  readonly latencyRounds: number;
  readonly latencyCalls: number;
}

export interface Sides {
  readonly reference: Subject;
  readonly ours: Subject;
  readonly foreign: readonly Subject[];
  readonly load: LoadClient;
}

export async function measureHandshakes({ load, ...sides }: Sides, size: EfficiencySize): Promise<Figure[]> {
  const { rounds, handshakes: perRound, warmUpHandshakes: warmUp } = size;
  return ratio("handshake", sides, {
    ...{ role: "handshake", rounds, perRound, warmUp },
    work: async (_, port, count) => void (await load.handshakes(port, count, HANDSHAKES_IN_FLIGHT)),
  });
}

/** @param name of the figures */
export function measureCalls(
  { load, ...sides }: Sides,
  role: Role,
  size: EfficiencySize,
  name: string = role,
): Promise<Figure[]> {
  const wire: Wire = role === "http2" ? "h2" : "tls";
  const share = wire === "h2" ? 0.5 : 1;
  const group = ({ name }: Subject): string => `${role} ${name}`;
  return ratio(name, sides, {
    ...{ role, rounds: size.rounds, perRound: size.calls * share, warmUp: size.warmUpCalls * share },
    open: (subject, port) => load.open(group(subject), wire, port, wire === "h2" ? H2_SESSIONS : CONNECTIONS),
    work: async (subject, _, count) => void (await load.run(group(subject), count, CONNECTIONS)),
    close: async (subject) => {
      await load.close(group(subject));
      subject.trimLogs();
    },
  });
}

async function ratio(
  name: string,
  { reference, ours, foreign }: Omit<Sides, "load">,
  run: Omit<Rounds, "subjects">,
): Promise<Figure[]> {
  const measured = await measureRounds({ ...run, subjects: [reference, ours, ...foreign] });
  const figures: Figure[] = [];
  for (const subject of [ours, reference, ...foreign]) {
    const us = measured.get(subject)?.us;
    if (us === undefined) continue;
    figures.push(figure(`proxy.${name}${subject.tag === "" ? "" : `_${subject.tag}`}_us`, us, "us"));
  }
  const own = measured.get(ours);
  if (own !== undefined) figures.push(figure(`proxy.${name}_ratio`, own.ratio, "of plain Node"));
  tell(`${name}: ${[...measured].map(([subject, one]) => describe(subject, one)).join("; ")}`);
  return figures;
}

function describe({ name }: Subject, { us, ratio, quartiles: [low, high] }: Measured): string {
  const cost = `${name} ${us.toFixed(1)} us`;
  return low === high
    ? cost
    : `${cost} = ${ratio.toFixed(2)} (half of the rounds ${low.toFixed(2)} to ${high.toFixed(2)})`;
}

/** Calls of processes that have let in, and closed, as many connections as the handshakes' part makes. */
export async function measureAged(sides: Sides, size: EfficiencySize): Promise<Figure[]> {
  const handshakes = size.warmUpHandshakes + size.rounds * size.handshakes;
  for (const subject of [sides.reference, sides.ours]) {
    const port = subject.port("http1");
    if (port !== undefined) await sides.load.handshakes(port, handshakes, HANDSHAKES_IN_FLIGHT);
  }
  return [
    ...(await measureCalls(sides, "http1", size, "aged_http1")),
    figure("proxy.aged_by", handshakes, "handshakes"),
  ];
}

/** Bodies up and down. @returns what each carries for a second of CPU */
export async function measureBulk(
  { load, reference, ours }: Sides,
  role: "bulk-l4" | "bulk-http1",
  { bulkRounds: rounds, bulkBytes }: EfficiencySize,
): Promise<Figure[]> {
  const name = role.replace("-", "_");
  const perRound = (2 * bulkBytes) / MEGABYTE;
  const measured = await measureRounds({
    ...{ subjects: [reference, ours], role, rounds, perRound, warmUp: perRound },
    work: async (_, port) => {
      for (const direction of ["up", "down"] as const) await load.bulk(port, direction, bulkBytes);
    },
  });
  tell(`${name}, CPU for a megabyte: ${[...measured].map(([subject, one]) => describe(subject, one)).join("; ")}`);
  const rates = [...measured].map(([{ tag }, { us }]) =>
    figure(`proxy.${name}${tag === "" ? "" : `_${tag}`}_mb_per_cpu_s`, 1e6 / us, "MB/s"),
  );
  const ratio = 1 / (measured.get(ours)?.ratio ?? Number.NaN);
  return [...rates, figure(`proxy.${name}_ratio`, ratio, "of plain Node")];
}

/** The figures of both, and the worse ratio: the one that promises something. */
export function worseBulk(l4: readonly Figure[], http1: readonly Figure[]): Figure[] {
  const all = [...l4, ...http1];
  const ratios = all.filter(({ name }) => name.endsWith("_ratio")).map(({ value }) => value);
  return [...all, figure("proxy.bulk_ratio", Math.min(...ratios), "of plain Node")];
}

/** One call at a time, over mutual TLS through the proxy and straight to the backend in plaintext. */
export async function measureAddedLatency(
  ours: Subject,
  load: LoadClient,
  backend: Ports,
  { latencyRounds, latencyCalls }: EfficiencySize,
): Promise<Figure[]> {
  const port = ours.port("http1");
  if (port === undefined) return [];
  await load.open("direct", "tcp", backend.small, 1);
  await load.open("through", "tls", port, 1);
  const added: number[] = [];
  for (let round = 0; round <= latencyRounds; round++) {
    const direct = await load.run("direct", latencyCalls, 1);
    const through = await load.run("through", latencyCalls, 1);
    // The first is for the compilers.
    if (round > 0) added.push(through.p50Ms - direct.p50Ms);
  }
  await load.close("direct");
  await load.close("through");
  tell(`added latency, median: ${median(added).toFixed(3)} ms`);
  return [figure("proxy.added_p50_ms", median(added), "ms")];
}

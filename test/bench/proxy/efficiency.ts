// What a handshake, a call and a megabyte cost, as a multiple of what they cost a plain Node program.
import { type Figure, figure, median } from "../report.ts";
import type { LoadClient } from "./load.ts";
import type { Wire } from "./messages.ts";
import { measurePaired, type Paired } from "./rounds.ts";
import type { Ports, Role, Subject } from "./subject.ts";

/** After so many calls (half of them over HTTP/2, which does more in each) V8 has compiled what it will compile. */
const WARM_UP_CALLS = 50_000;
const WARM_UP_HANDSHAKES = 1_500;
const CONNECTIONS = 64;
const H2_SESSIONS = 8;
const HANDSHAKES_IN_FLIGHT = 16;
const BULK_PIECE = 64 * 1024 * 1024;
const MEGABYTE = 1024 * 1024;

export interface EfficiencySize {
  readonly rounds: number;
  readonly calls: number;
  readonly handshakes: number;
  /** Bytes in each direction of a round. */
  readonly bulkBytes: number;
  readonly latencyCalls: number;
}

export interface Sides {
  readonly reference: Subject;
  readonly ours: Subject;
  readonly load: LoadClient;
}

export async function measureEfficiency(sides: Sides, backend: Ports, size: EfficiencySize): Promise<Figure[]> {
  const { rounds, handshakes, calls } = size;
  const { load } = sides;
  return [
    ...ratio(
      "handshake",
      await measurePaired({
        ...{ ...sides, role: "handshake", rounds, perRound: handshakes, warmUp: WARM_UP_HANDSHAKES },
        work: async (_, port, count) => void (await load.handshakes(port, count, HANDSHAKES_IN_FLIGHT)),
      }),
    ),
    ...ratio("l4", await measureCalls(sides, "l4", "tls", rounds, calls)),
    ...ratio("http1", await measureCalls(sides, "http1", "tls", rounds, calls)),
    ...ratio("http2", await measureCalls(sides, "http2", "h2", rounds, calls / 2)),
    ...(await measureBulk(sides, size)),
    ...(await measureAddedLatency(sides, backend, size)),
  ];
}

function measureCalls(
  { reference, ours, load }: Sides,
  role: Role,
  wire: Wire,
  rounds: number,
  perRound: number,
): Promise<Paired | undefined> {
  const warmUp = wire === "h2" ? WARM_UP_CALLS / 2 : WARM_UP_CALLS;
  const group = ({ name }: Subject): string => `${role} ${name}`;
  return measurePaired({
    ...{ reference, ours, role, rounds, perRound, warmUp },
    open: (subject, port) => load.open(group(subject), wire, port, wire === "h2" ? H2_SESSIONS : CONNECTIONS),
    work: async (subject, _, count) => void (await load.run(group(subject), count, CONNECTIONS)),
    close: (subject) => load.close(group(subject)),
  });
}

function ratio(name: string, paired: Paired | undefined): Figure[] {
  if (paired === undefined) return [];
  console.log(
    `${name}: ${paired.oursUs.toFixed(1)} us, plain Node ${paired.referenceUs.toFixed(1)} us: ${paired.ratio.toFixed(2)}`,
  );
  return [
    figure(`proxy.${name}_us`, paired.oursUs, "us"),
    figure(`proxy.${name}_plain_us`, paired.referenceUs, "us"),
    figure(`proxy.${name}_ratio`, paired.ratio, "of plain Node"),
  ];
}

/** Bodies up and down, over tcp and http listeners: the figure is the worse of the two. */
async function measureBulk(sides: Sides, { rounds, bulkBytes }: EfficiencySize): Promise<Figure[]> {
  const { load } = sides;
  const figures: Figure[] = [];
  const ratios: number[] = [];
  for (const [name, role] of [
    ["bulk_l4", "bulk-l4"],
    ["bulk_http1", "bulk-http1"],
  ] as const) {
    const perRound = (2 * bulkBytes) / MEGABYTE;
    const paired = await measurePaired({
      ...{ ...sides, role, rounds, perRound, warmUp: perRound },
      work: async (_, port) => {
        for (const direction of ["up", "down"] as const) {
          for (let left = bulkBytes; left > 0; left -= BULK_PIECE) {
            await load.bulk(port, direction, Math.min(BULK_PIECE, left));
          }
        }
      },
    });
    if (paired === undefined) continue;
    const perSecond = (us: number): number => 1e6 / us;
    console.log(
      `${name}: ${perSecond(paired.oursUs).toFixed(0)} MB a CPU second, plain Node ${perSecond(paired.referenceUs).toFixed(0)}: ` +
        `${(1 / paired.ratio).toFixed(2)}`,
    );
    ratios.push(1 / paired.ratio);
    figures.push(figure(`proxy.${name}_mb_per_cpu_s`, perSecond(paired.oursUs), "MB/s"));
    figures.push(figure(`proxy.${name}_plain_mb_per_cpu_s`, perSecond(paired.referenceUs), "MB/s"));
  }
  if (ratios.length > 0) figures.push(figure("proxy.bulk_ratio", Math.min(...ratios), "of plain Node"));
  return figures;
}

/** One call at a time, over mutual TLS through the proxy and straight to the backend in plaintext. */
async function measureAddedLatency(
  { ours, load }: Sides,
  backend: Ports,
  { rounds, latencyCalls }: EfficiencySize,
): Promise<Figure[]> {
  const port = ours.port("http1");
  if (port === undefined) return [];
  await load.open("direct", "tcp", backend.small, 1);
  await load.open("through", "tls", port, 1);
  const added: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const direct = await load.run("direct", latencyCalls, 1);
    const through = await load.run("through", latencyCalls, 1);
    // The first is for the compilers.
    if (round > 0) added.push(through.p50Ms - direct.p50Ms);
  }
  await load.close("direct");
  await load.close("through");
  console.log(`added latency, median: ${median(added).toFixed(3)} ms`);
  return [figure("proxy.added_p50_ms", median(added), "ms")];
}

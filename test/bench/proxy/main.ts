// The proxy's part of the bench: what `mesh-ca proxy run` costs beside plain Node programs that do the same without policies, log and
// metrics, in the same run on the same machine, and what it does while identities and policies change. A whole run also has HAProxy and
// nginx beside it, where they are installed.
import { join } from "node:path";
import { type Figure, figure, tell } from "../report.ts";
import { measureChanges } from "./changes.ts";
import { placement } from "./children.ts";
import {
  type EfficiencySize,
  measureAddedLatency,
  measureAged,
  measureBulk,
  measureCalls,
  measureHandshakes,
  type Sides,
  worseBulk,
} from "./efficiency.ts";
import { findForeign } from "./foreign/start.ts";
import { measureGrowth, measureIdle } from "./memory.ts";
import type { Ours } from "./ours.ts";
import { requireOpenFiles, Started } from "./started.ts";
import type { Role, Subject } from "./subject.ts";

const MEGABYTE = 1024 ** 2;

/**
 * In this order, each on processes of its own on every side: what one has done before costs it later (see "aged"), and the plain programs, one
 * for each role, have done nothing else.
 */
export const PROXY_PARTS = [
  "handshake",
  "l4",
  "http1",
  "http2",
  "aged",
  "bulk",
  "latency",
  "growth",
  "changes",
  "idle",
] as const;
export type ProxyPart = (typeof PROXY_PARTS)[number];

interface Size {
  readonly efficiency: EfficiencySize;
  readonly idle: { readonly connections: number; readonly settleMs: number };
  readonly requests: number;
  readonly changes: { readonly changes: number; readonly bulkBytes: number };
}

const WHOLE: Size = {
  efficiency: {
    ...{ rounds: 25, calls: 6_000, warmUpCalls: 50_000, handshakes: 400, warmUpHandshakes: 1_500 },
    ...{ bulkRounds: 9, bulkBytes: 128 * MEGABYTE, latencyRounds: 9, latencyCalls: 2_000 },
  },
  idle: { connections: 5_000, settleMs: 4_000 },
  requests: 1_000_000,
  changes: { changes: 10, bulkBytes: 1_024 * MEGABYTE },
};
/** For CI, which has minutes: its figures are of a machine that is not warm. */
const SHORT: Size = {
  efficiency: {
    ...{ rounds: 3, calls: 2_000, warmUpCalls: 10_000, handshakes: 100, warmUpHandshakes: 300 },
    ...{ bulkRounds: 2, bulkBytes: 32 * MEGABYTE, latencyRounds: 2, latencyCalls: 500 },
  },
  idle: { connections: 400, settleMs: 500 },
  requests: 20_000,
  changes: { changes: 1, bulkBytes: 32 * MEGABYTE },
};

export interface ProxyBench {
  /** An empty folder of its own is made below it. */
  readonly folder: string;
  readonly short: boolean;
  readonly parts: ReadonlySet<ProxyPart>;
  /** Flags of node for our process. */
  readonly flags: readonly string[];
  readonly foreign: Foreign;
}

export type Foreign = Awaited<ReturnType<typeof findForeign>>;

/** Foreign programs to run beside ours: none in a short run. */
export async function foreignFor(short: boolean): Promise<Foreign> {
  return short ? { installed: [], missing: [] } : await findForeign();
}

/** The figures of one part after the other, so that what fails late takes nothing with it. */
export async function* measureProxy(options: ProxyBench): AsyncGenerator<readonly Figure[]> {
  const { folder, short, parts, flags, foreign } = options;
  const size = short ? SHORT : WHOLE;
  const { connections } = size.idle;
  // A tcp listener has a connection to its target for each.
  requireOpenFiles(2 * connections + 500);
  tell(`proxy: CPU of the proxy's processes alone; ${placement}${short ? "; a short run" : ""}`);
  for (const name of foreign.missing) tell(`SKIPPED: ${name} is not installed; nothing will be told of it`);
  await using started = new Started(join(folder, "proxy"), flags, connections + 500);
  const { backend, load } = await started.begin();

  /** Freshly started; stopped afterwards. */
  const compare = async (
    role: Role,
    use: (sides: Sides) => Promise<Figure[]>,
    others = foreign.installed,
  ): Promise<Figure[]> => {
    const reference = await started.plain(role);
    const ours = await started.ours();
    const besides: Subject[] = [];
    for (const installed of others) {
      const subject = await started.foreign(installed);
      if (subject !== undefined) besides.push(subject);
    }
    const figures = await use({ reference, ours, foreign: besides, load });
    for (const subject of [ours, reference, ...besides]) await subject.stop();
    return figures;
  };
  const alone = async (use: (ours: Ours) => Promise<Figure[]>): Promise<Figure[]> => {
    const ours = await started.ours();
    const figures = await use(ours);
    await ours.stop();
    return figures;
  };
  const { efficiency } = size;
  const measures: Readonly<Record<Exclude<ProxyPart, "idle">, () => Promise<Figure[]>>> = {
    handshake: () => compare("handshake", (sides) => measureHandshakes(sides, efficiency)),
    l4: () => compare("l4", (sides) => measureCalls(sides, "l4", efficiency)),
    http1: () => compare("http1", (sides) => measureCalls(sides, "http1", efficiency)),
    http2: () => compare("http2", (sides) => measureCalls(sides, "http2", efficiency)),
    aged: () => compare("http1", (sides) => measureAged(sides, efficiency), []),
    bulk: async () => {
      const l4 = await compare("bulk-l4", (sides) => measureBulk(sides, "bulk-l4", efficiency), []);
      const http1 = await compare("bulk-http1", (sides) => measureBulk(sides, "bulk-http1", efficiency), []);
      return worseBulk(l4, http1);
    },
    latency: () => alone((ours) => measureAddedLatency(ours, load, backend, efficiency)),
    growth: () => alone((ours) => measureGrowth(ours, load, size.requests)),
    changes: () =>
      alone(async (ours) =>
        measureChanges(ours, started.pki, { calls: load, bulk: await started.client() }, size.changes),
      ),
  };
  for (const part of PROXY_PARTS) {
    if (part === "idle" || !parts.has(part)) continue;
    tell(`proxy: ${part}`);
    yield await measures[part]();
  }
  if (!parts.has("idle")) return;
  tell("proxy: idle");
  for (const [name, role] of [
    ["l4", "l4"],
    ["http", "http1"],
  ] as const) {
    const candidates: (() => Promise<Subject | undefined>)[] = [
      () => started.ours(),
      () => started.plain(role),
      ...(role === "http1" ? foreign.installed.map((installed) => () => started.foreign(installed)) : []),
    ];
    for (const start of candidates) {
      const subject = await start();
      if (subject === undefined) continue;
      const held = await measureIdle(subject, role, load, size.idle);
      await subject.stop();
      const { tag } = subject;
      if (held !== undefined) yield [figure(`proxy.idle_kb_${name}${tag === "" ? "" : `_${tag}`}`, held, "kB")];
    }
  }
}

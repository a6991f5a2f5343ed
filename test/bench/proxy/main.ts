// The proxy's part of the bench: what `mesh-ca proxy run` costs beside plain Node programs that do the same without policies, log and
// metrics, in the same run on the same machine, and what it does while identities and policies change.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Figure } from "../report.ts";
import { figure } from "../report.ts";
import { measureChanges } from "./changes.ts";
import { nodeProgram, placement } from "./children.ts";
import { measureEfficiency } from "./efficiency.ts";
import { LoadClient } from "./load.ts";
import { measureGrowth, measureIdle } from "./memory.ts";
import { type Ours, startOurs } from "./ours.ts";
import { BenchPki } from "./pki.ts";
import { type Ports, parsePorts, type Role, startPlain } from "./subject.ts";

const GIGABYTE = 1024 ** 3;
const ROLES: ReadonlySet<Role> = new Set(["handshake", "l4", "http1", "http2", "bulk-l4", "bulk-http1"]);

const WHOLE = {
  efficiency: { rounds: 7, calls: 20_000, handshakes: 2_000, bulkBytes: GIGABYTE / 2, latencyCalls: 3_000 },
  idle: { connections: 5_000, settleMs: 4_000 },
  requests: 1_000_000,
  changes: { changes: 10, bulkBytes: GIGABYTE },
};
/** For CI, which has minutes: its figures are of a machine that is not warm. */
const SHORT: typeof WHOLE = {
  efficiency: { rounds: 2, calls: 5_000, handshakes: 300, bulkBytes: GIGABYTE / 16, latencyCalls: 500 },
  idle: { connections: 400, settleMs: 1_000 },
  requests: 30_000,
  changes: { changes: 2, bulkBytes: GIGABYTE / 16 },
};

export interface ProxyBench {
  /** An empty folder of its own is made below it. */
  readonly folder: string;
  readonly short: boolean;
  /** Flags of node for our process. */
  readonly flags: readonly string[];
}

export async function measureProxy({ folder, short, flags }: ProxyBench): Promise<Figure[]> {
  const size = short ? SHORT : WHOLE;
  console.log(`proxy: CPU of the proxy's process alone; ${placement}${short ? "; a short run" : ""}`);
  await using bench = await Bench.start(join(folder, "proxy"), flags);
  const { backend, load } = bench;
  const figures: Figure[] = [];

  const reference = await bench.keep(startPlain(bench.pki.proxy, backend, ROLES));
  let ours = await bench.ours();
  figures.push(...(await measureEfficiency({ reference, ours, load }, backend, size.efficiency)));
  figures.push(...(await measureGrowth(ours, load, size.requests)));
  const second = await bench.client();
  figures.push(...(await measureChanges(ours, bench.pki, { calls: load, bulk: second }, size.changes)));
  await ours.stop();
  await reference.stop();

  for (const [name, role] of [
    ["l4", "l4"],
    ["http", "http1"],
  ] as const) {
    ours = await bench.ours();
    const held = await measureIdle(ours, role, load, size.idle);
    await ours.stop();
    if (held !== undefined) figures.push(figure(`proxy.idle_kb_${name}`, held, "kB"));
    const plain = await bench.keep(startPlain(bench.pki.proxy, backend, new Set([role])));
    const plainHeld = await measureIdle(plain, role, load, size.idle);
    await plain.stop();
    if (plainHeld !== undefined) figures.push(figure(`proxy.idle_kb_${name}_plain`, plainHeld, "kB"));
  }
  return figures;
}

/** Everything that was started, so that it is stopped whatever happens. */
class Bench implements AsyncDisposable {
  readonly pki: BenchPki;
  readonly backend: Ports;
  readonly load: LoadClient;
  readonly #folder: string;
  readonly #flags: readonly string[];
  readonly #started: { stop(): Promise<void> | void }[];
  #proxies = 0;

  private constructor(
    folder: string,
    flags: readonly string[],
    pki: BenchPki,
    backend: Ports,
    started: { stop(): Promise<void> | void }[],
    load: LoadClient,
  ) {
    this.#folder = folder;
    this.#flags = flags;
    this.pki = pki;
    this.backend = backend;
    this.#started = started;
    this.load = load;
  }

  static async start(folder: string, flags: readonly string[]): Promise<Bench> {
    mkdirSync(folder);
    const pki = new BenchPki(folder);
    const backend = nodeProgram("others", "./backend.ts", []);
    const load = await LoadClient.start(pki.client);
    return new Bench(folder, flags, pki, parsePorts(await backend.firstLine()), [backend, load], load);
  }

  async keep<T extends { stop(): Promise<void> | void }>(starting: Promise<T>): Promise<T> {
    const started = await starting;
    this.#started.push(started);
    return started;
  }

  ours(): Promise<Ours> {
    const folder = join(this.#folder, `ours-${++this.#proxies}`);
    mkdirSync(folder);
    const { backend, pki } = this;
    return this.keep(startOurs({ folder, identityFolder: pki.proxy, backend, flags: this.#flags }));
  }

  client(): Promise<LoadClient> {
    return this.keep(LoadClient.start(this.pki.client));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const started of this.#started.reverse()) await started.stop();
  }
}

// What callers notice when the authority changes under a running load: a chain that people signed is imported and activated, and the
// active authority is rotated, several times each, while 64 workloads renew 500 times a second over mTLS and follow WatchTrust. The
// load is paced (paced.ts). A stretch of the same load in which nothing changes tells the machine's own noise from that of the change.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chainPem } from "../support/pki.ts";
import { QUICK_ROTATION } from "../support/quick-rotation.ts";
import { ServerProcess } from "../support/server-process.ts";
import { Authorities, makeEnterprise } from "./authorities.ts";
import { Load } from "./load.ts";
import { monotonicEpochMs } from "./paced.ts";
import { type Figure, figure, tell } from "./report.ts";

export interface AuthorityChangeOptions {
  /** Everybody must be able to pass through it (0711). */
  readonly folder: string;
  /** Keys of the configuration beside those that are decided here. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly workloads: number;
  /** Flags of node for the server. */
  readonly serverFlags: readonly string[];
  /** So many calls first, as fast as they go. */
  readonly warmUp: number;
  /** How long nothing changes. */
  readonly unchangedSeconds: number;
  /** So often a chain is imported: each of the two ways in turn. */
  readonly imports: number;
  readonly rotations: number;
  /** Told of each server, so that an interrupted bench leaves none behind. */
  onServer(server: ServerProcess): void;
}

const PER_SECOND = 500;
/** A change's own time goes on for so long after it has returned: clients learn, peers are judged again, successors are told. */
const AFTERMATH_MS = 1_000;
const TAKEOVER_TIMEOUT_MS = 20_000;
const SETTLE_TIMEOUT_MS = 30_000;

interface Window {
  readonly from: number;
  readonly to: number;
}

/** Latencies in milliseconds, ascending. */
type Latencies = readonly number[];

interface Outcome {
  readonly unchanged: Latencies;
  readonly changed: Latencies;
  readonly failures: readonly string[];
}

type Change = (authorities: Authorities, index: number) => Promise<void>;

/** A server with its load, warm; and what is to be done to it. */
interface Prepared {
  readonly name: string;
  readonly server: ServerProcess;
  readonly authorities: Authorities;
  readonly load: Load;
  readonly change: Change;
  readonly changes: number;
}

interface Plan extends Pick<Prepared, "name" | "change" | "changes"> {
  readonly authority: Readonly<Record<string, unknown>>;
  /** What makes the first authority. */
  readonly begin?: (authorities: Authorities) => Promise<unknown>;
}

/** Both kinds of change, each on a server of its own: made ready together, measured one after the other, the other idle. */
export async function measureAuthorityChange(options: AuthorityChangeOptions): Promise<Figure[]> {
  tell("authority: two servers");
  const ready = await Promise.allSettled([imports(options), rotations(options)].map((plan) => prepare(options, plan)));
  const outcomes: Outcome[] = [];
  try {
    for (const one of ready) if (one.status === "rejected") throw one.reason;
    for (const one of ready) if (one.status === "fulfilled") outcomes.push(await measure(options, one.value));
  } finally {
    for (const one of ready) if (one.status === "fulfilled") await close(one.value);
  }
  const [imported, rotated] = outcomes;
  if (imported === undefined || rotated === undefined) throw new TypeError("both were measured");
  const unchanged = [...imported.unchanged, ...rotated.unchanged].sort((a, b) => a - b);
  const failures = [...imported.failures, ...rotated.failures];
  for (const sentence of new Set(failures)) console.log(`a call failed: ${sentence}`);
  return [
    ...latencyFigures("unchanged", unchanged),
    ...latencyFigures("import", imported.changed),
    ...latencyFigures("rotate", rotated.changed),
    figure("authority.change_failed_calls", failures.length, "calls"),
    figure("authority.change_calls", imported.changed.length + rotated.changed.length, "calls"),
  ];
}

function imports(options: AuthorityChangeOptions): Plan {
  const enterprise = makeEnterprise();
  return {
    ...{ name: "import", authority: { upstream: "offline", ...QUICK_ROTATION }, changes: options.imports },
    begin: async (authorities) => authorities.import(enterprise, await authorities.request(), { emergency: false }),
    // Two ways, in turn: published first and activated when everybody knows it, and both at once.
    change: async (authorities, index) => {
      const emergency = index % 2 === 1;
      const authority = await authorities.import(enterprise, await authorities.request(), { emergency });
      if (!emergency) {
        await sleep(QUICK_ROTATION.refreshHintSeconds * 5_000);
        await authorities.activate(authority);
      }
      await requireActive(authorities, authority);
    },
  };
}

function rotations(options: AuthorityChangeOptions): Plan {
  const { issuing, root } = makeEnterprise();
  const certificateFile = join(options.folder, "issuing-ca.pem");
  const keyFile = join(options.folder, "issuing-ca.key");
  writeFileSync(certificateFile, chainPem(issuing, root));
  writeFileSync(keyFile, issuing.keyPem, { mode: 0o600 });
  return {
    ...{ name: "rotate", changes: options.rotations },
    authority: { upstream: "disk", disk: { certificateFile, keyFile }, ...QUICK_ROTATION },
    change: async (authorities) => {
      const { authority } = await authorities.rotate();
      const deadline = performance.now() + TAKEOVER_TIMEOUT_MS;
      while ((await authorities.now()).active !== authority) {
        if (performance.now() > deadline) throw new Error("the successor has not taken over");
        await sleep(250);
      }
    },
  };
}

async function prepare(options: AuthorityChangeOptions, plan: Plan): Promise<Prepared> {
  const folder = join(options.folder, plan.name);
  mkdirSync(folder, { mode: 0o711 });
  const passphraseFile = join(folder, "passphrase");
  writeFileSync(passphraseFile, "of the bench, and nothing else\n", { mode: 0o600 });
  const server = await ServerProcess.initialise(folder, {
    main: "dist/cli/main.js",
    trustDomain: "bench.test",
    config: { ...options.config, authority: plan.authority, keys: { passphraseFile } },
  });
  options.onServer(server);
  const authorities = new Authorities(server.adminSocket);
  const load = await Load.start();
  const prepared = { ...plan, server, authorities, load };
  try {
    server.spawn(options.serverFlags);
    await plan.begin?.(authorities);
    await server.ready();
    const tokens = await server.tokens(Array.from({ length: options.workloads }, (_, index) => `workload-${index}`));
    await load.enrol(server.address, tokens);
    await load.follow();
    await load.prepare(options.warmUp);
    await load.run(options.warmUp, options.workloads / 2);
    await settled(server);
  } catch (error) {
    await close(prepared);
    throw error;
  }
  return prepared;
}

async function close({ load, authorities, server }: Prepared): Promise<void> {
  load.close();
  authorities.close();
  await server.stop();
}

/** Waits for what a server does once in its life: it loads the readers that look at issued certificates again. */
async function settled(server: ServerProcess): Promise<void> {
  const deadline = performance.now() + SETTLE_TIMEOUT_MS;
  while (!/^mesh_ca_certificates_checked_total\{[^}]*agreed[^}]*\} [1-9]/m.test(await server.metrics())) {
    if (performance.now() > deadline) throw new Error("the server has not looked at any issued certificate again");
    await sleep(250);
  }
}

async function measure(
  options: AuthorityChangeOptions,
  { name, load, authorities, change, changes }: Prepared,
): Promise<Outcome> {
  tell(`authority: ${name}`);
  await load.pace(PER_SECOND);
  await sleep(AFTERMATH_MS);
  const unchanged = await timed(() => sleep(options.unchangedSeconds * 1000));
  const windows: Window[] = [];
  for (let index = 0; index < changes; index++) {
    tell(`${name}: change ${index + 1} of ${changes}`);
    windows.push(
      await timed(async () => {
        await change(authorities, index);
        await sleep(AFTERMATH_MS);
      }),
    );
  }
  const { revision } = await authorities.now();
  // It may have been published just now: an authority that is no longer needed leaves in its own time.
  await sleep(AFTERMATH_MS);
  const { calls, leastRevision } = await load.unpace();
  if (leastRevision < revision) {
    throw new Error(`a workload knows the trust of revision ${leastRevision} only, and ${revision} is published`);
  }
  const within = (some: readonly Window[]): Latencies =>
    calls.latencyMs
      .filter((_, index) => some.some(({ from, to }) => isWithin(calls.dueMs[index], from, to)))
      .sort((a, b) => a - b);
  const outcome: Outcome = {
    unchanged: within([unchanged]),
    changed: within(windows),
    failures: calls.failures.map(({ sentence }) => sentence),
  };
  const worst = windows.map((window) => within([window]).at(-1)?.toFixed(1));
  tell(
    `${name}: the slowest call of each change ${worst.join(", ")} ms; with nothing changed ${outcome.unchanged.at(-1)?.toFixed(1)} ms`,
  );
  return outcome;
}

function latencyFigures(name: string, latencies: Latencies): Figure[] {
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return [
    figure(`authority.${name}_p50_latency_ms`, at(0.5), "ms"),
    figure(`authority.${name}_p99_latency_ms`, at(0.99), "ms"),
    figure(`authority.${name}_max_latency_ms`, latencies.at(-1) ?? Number.NaN, "ms"),
  ];
}

async function requireActive(authorities: Authorities, wanted: string): Promise<void> {
  const { active } = await authorities.now();
  if (active !== wanted) throw new Error(`${wanted} should sign by now, and it is ${active}`);
}

async function timed(run: () => Promise<unknown>): Promise<Window> {
  const from = monotonicEpochMs();
  await run();
  return { from, to: monotonicEpochMs() };
}

function isWithin(time: number | undefined, from: number, to: number): boolean {
  return time !== undefined && time >= from && time < to;
}

// What an idle connection holds, and whether memory stays flat over very many requests.
import { setTimeout as sleep } from "node:timers/promises";
import { type Figure, figure, median, tell } from "../report.ts";
import type { LoadClient } from "./load.ts";
import type { Role, Subject } from "./subject.ts";

const IN_FLIGHT = 64;
const WARM_UP_HANDSHAKES = 500;
const WARM_UP_CALLS = 5_000;
const SAMPLE_MS = 100;
const TENTHS = 10;

/**
 * Resident kilobytes for each connection, of connections that have carried one call and are silent since then.
 * @param subject freshly started
 */
export async function measureIdle(
  subject: Subject,
  role: Role,
  load: LoadClient,
  { connections, settleMs }: { readonly connections: number; readonly settleMs: number },
): Promise<number | undefined> {
  const port = subject.port(role);
  if (port === undefined) return undefined;
  await load.open("warm-up", "tls", port, IN_FLIGHT);
  await load.run("warm-up", WARM_UP_CALLS, IN_FLIGHT);
  await load.close("warm-up");
  await load.handshakes(port, WARM_UP_HANDSHAKES, IN_FLIGHT);
  await sleep(settleMs);
  const before = subject.residentMegabytes();
  await load.open("idle", "tls", port, connections);
  await load.run("idle", connections, IN_FLIGHT);
  await sleep(settleMs);
  const held = ((subject.residentMegabytes() - before) * 1024) / connections;
  await load.close("idle");
  subject.trimLogs();
  tell(`${subject.name}, ${role}: ${held.toFixed(1)} kB for each of ${connections} idle connections`);
  return held;
}

/** From a fifth of the run on: before that the process is still growing to its working size. */
export async function measureGrowth(ours: Subject, load: LoadClient, requests: number): Promise<Figure[]> {
  const port = ours.port("http1");
  if (port === undefined) return [];
  await load.open("endurance", "tls", port, IN_FLIGHT);
  const tenths: number[] = [];
  for (let tenth = 0; tenth < TENTHS; tenth++) {
    const resident: number[] = [];
    const sampler = setInterval(() => resident.push(ours.residentMegabytes()), SAMPLE_MS);
    await load.run("endurance", requests / TENTHS, IN_FLIGHT);
    clearInterval(sampler);
    // A short run's tenth may be over before the first sample.
    resident.push(ours.residentMegabytes());
    tenths.push(median(resident));
    ours.trimLogs();
    tell(`${((tenth + 1) * requests) / TENTHS} of ${requests} requests: ${tenths.at(-1)?.toFixed(0)} MB`);
  }
  await load.close("endurance");
  const grown = (tenths.at(-1) ?? 0) - (tenths[TENTHS / 5] ?? 0);
  return [
    figure("proxy.loaded_mb", Math.max(...tenths), "MB"),
    figure("proxy.growth_mb", Math.max(0, grown), "MB"),
    figure("proxy.growth_requests", requests, "requests"),
  ];
}

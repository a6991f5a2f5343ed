// What the running server says of itself: its admin socket (trust, which everybody may ask for and which leaves no record) and its
// operations listener (readiness, metrics). Nothing is called that a ledger entry would tell of.
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { IdentityServiceClient, type TrustSnapshot } from "../../proto/gen/meshca/identity/v1/identity.ts";
import type { Config } from "../config/index.ts";
import type { DataDir } from "../data-dir.ts";
import type { ReadinessState } from "../readiness.ts";
import { localHostOf } from "./local-host.ts";
import type { ServerLook } from "./world.ts";

const PATIENCE_MS = 5_000;

/** Asks the server of this data directory. Never throws. */
export async function askServer(config: Config, dir: DataDir): Promise<ServerLook> {
  const path = join(dir.run, "admin.sock");
  const refused = await refusalOf(path);
  if (refused !== undefined) {
    return { kind: "stopped", why: `nobody answers on ${path} (${refused}), so that the server does not seem to run.` };
  }
  const { host, port } = config.listen.operations;
  const local = localHostOf(host);
  const operations = `http://${local.includes(":") ? `[${local}]` : local}:${port}`;
  const known = port !== 0;
  return {
    kind: "running",
    readiness: known ? parseReadiness(await get(`${operations}/readyz`)) : undefined,
    metrics: known ? parseMetrics((await get(`${operations}/metrics`)) ?? "") : new Map(),
    trust: () => trustOf(path),
  };
}

/** Why nobody answers on a socket; undefined: somebody does. */
function refusalOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectSocket(path);
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error("no answer")));
    socket.once("connect", () => {
      resolve(undefined);
      socket.destroy();
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

async function get(url: string): Promise<string | undefined> {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: "error" })).text();
  } catch {
    return undefined;
  }
}

function parseReadiness(text: string | undefined): ReadinessState | undefined {
  if (text === undefined) return undefined;
  try {
    const { status, reasons, notes } = JSON.parse(text);
    if (typeof status !== "string" || !Array.isArray(reasons) || !Array.isArray(notes)) return undefined;
    return { ready: status === "ready", reasons, notes };
  } catch {
    return undefined;
  }
}

/** Values by name, over all label sets added up. */
function parseMetrics(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  for (const [, name = "", value = ""] of text.matchAll(/^([a-z_]+)(?:\{[^\n]*\})? (\S+)/gm)) {
    values.set(name, (values.get(name) ?? 0) + Number(value));
  }
  return values;
}

function trustOf(path: string): Promise<TrustSnapshot | undefined> {
  const client = new IdentityServiceClient(`unix:${path}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  return new Promise<TrustSnapshot | undefined>((resolve) => {
    const stream = client.watchTrust({ trustDomain: "" });
    const timer = setTimeout(() => stream.cancel(), PATIENCE_MS);
    const end = (snapshot: TrustSnapshot | undefined): void => {
      clearTimeout(timer);
      resolve(snapshot);
    };
    stream.on("data", ({ update }) => {
      end(update?.$case === "snapshot" ? update.value : undefined);
      stream.cancel();
    });
    stream.on("error", () => end(undefined));
    stream.on("end", () => end(undefined));
  }).finally(() => client.close());
}

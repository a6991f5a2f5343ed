// `mesh-ca doctor`: everything that will hurt later, in one look (spec/enterprise-pki.md, "Health"). It never changes anything: the
// database is read in READ ONLY transactions, files are only looked at, and of the server nothing is asked that leaves a record.
// It never fails where an installation is broken: that is what it is for.
import { type Clock, formatTime, Lifecycle, MeshCaError, silentLogger, systemClock } from "../../runtime/index.ts";
import type { Config } from "../config/index.ts";
import { dataDirOf } from "../data-dir.ts";
import { askServer } from "./ask-server.ts";
import { CHECKS } from "./checks/index.ts";
import { lookAtDatabase } from "./look-at-database.ts";
import { type CheckResult, type DoctorReport, type Finding, problem, skipped, worstOf } from "./result.ts";
import { inSnapshot } from "./snapshot.ts";
import type { Check, DoctorWorld } from "./world.ts";

export interface DoctorOptions {
  /** The configuration, or why there is none. */
  readonly config:
    | { readonly kind: "loaded"; readonly value: Config }
    | { readonly kind: "broken"; readonly error: unknown };
  /** The configuration file, where there is one. */
  readonly configFile: string | undefined;
  /** Checks whose warnings are known of: told, but not counted. */
  readonly accept?: readonly string[];
  readonly clock?: Clock;
}

/** Every id that a report may have. */
export const CHECK_IDS: readonly string[] = ["config", ...CHECKS.map(({ id }) => id)];

/** What ends it early must not leave a copy of the database behind. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Looks at everything once. Never throws, never changes anything. */
export async function examine(options: DoctorOptions): Promise<DoctorReport> {
  const { config, configFile, accept = [], clock = systemClock } = options;
  const time = formatTime(clock.now());
  if (config.kind === "broken") {
    const checks = [
      { id: "config", ...brokenConfig(config.error) },
      ...CHECKS.map(({ id }) => ({ id, ...skipped("There is no configuration to go by: see config.") })),
    ];
    return { status: "failed", time, checks };
  }
  const { value } = config;
  const lifecycle = new Lifecycle(silentLogger);
  const interrupted = (): void => void lifecycle.close().finally(() => process.exit(1));
  for (const signal of SIGNALS) process.once(signal, interrupted);
  try {
    const dir = dataDirOf(value);
    const server = await askServer(value, dir);
    const database = await lookAtDatabase({ config: value, dir, server }, lifecycle);
    const world: DoctorWorld = { config: value, configFile, dir, clock, uid: process.geteuid?.(), server, database };
    const valid: CheckResult = {
      id: "config",
      status: "ok",
      found: `${configFile ?? "environment and flags"}: valid, trust domain ${value.trustDomain}`,
    };
    const checks = [valid];
    // One after the other: a doctor must be no burden.
    for (const check of CHECKS) {
      for (const result of await perform(check, world)) checks.push(accepted(result, accept));
    }
    return { status: worstOf(checks), time, trustDomain: value.trustDomain, dataDir: dir.path, checks };
  } finally {
    await lifecycle.close();
    for (const signal of SIGNALS) process.off(signal, interrupted);
  }
}

function accepted(result: CheckResult, accept: readonly string[]): CheckResult {
  return result.status === "warning" && accept.includes(result.id) ? { ...result, accepted: true } : result;
}

/** One check; whatever it throws becomes what it found. */
export async function perform(check: Check, world: DoctorWorld): Promise<readonly CheckResult[]> {
  const findings = await look(check, world).catch((error: unknown): readonly Finding[] => [unreadable(error)]);
  return findings.map((finding) => ({ id: check.id, ...finding }));
}

async function look(check: Check, world: DoctorWorld): Promise<readonly Finding[]> {
  switch (check.needs) {
    case "nothing":
      return check.look(world);
    case "database": {
      const { database } = world;
      if (database.kind === "absent") return [skipped("The database was not looked at: see database.reachable.")];
      return inSnapshot(database.database, (tx) => check.look(world, tx));
    }
    case "server": {
      const { server } = world;
      if (server.kind === "stopped") return [skipped(`The server was not asked: ${server.why}`)];
      return check.look(world, server);
    }
  }
}

function unreadable(error: unknown): Finding {
  const sentence = error instanceof Error ? error.message : String(error);
  const code = error instanceof MeshCaError ? ` (${error.code})` : "";
  return problem("failed", `${sentence}${code}`, "something that can be looked at", undefined);
}

function brokenConfig(error: unknown): Finding {
  const sentence = error instanceof Error ? error.message : String(error);
  const code = error instanceof MeshCaError ? ` (${error.code})` : "";
  return problem("failed", `${sentence}${code}`, "a valid configuration", "npx mesh-ca config check");
}

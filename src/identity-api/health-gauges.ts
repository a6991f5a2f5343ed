// What `mesh-ca doctor` looks at once, said continuously in /metrics: when what ends, how far the clocks are apart, what has no outcome,
// how much room is left. What would cost a query or a system call is looked at once a minute, not at each scrape; where a look fails
// its gauge is absent, because an old value would be a lie.
import { statfs } from "node:fs/promises";
import { type AuthorityManager, type Database, endOfPath } from "../ca/index.ts";
import { countOrphans } from "./doctor/checks/ledger.ts";
import type { ServerBase } from "./server-base.ts";

const LOOK_MS = 60_000;

interface Looked {
  readonly clockDifferenceMs: number;
  readonly orphans: bigint;
}

/** Adds the gauges, and looks now and then once a minute until the end. */
export function watchHealth(
  { telemetry, readiness, clock, config, dir, lifecycle, logger }: ServerBase,
  { authorities, database }: { readonly authorities: AuthorityManager; readonly database: Database },
): void {
  const { metrics } = telemetry;
  const one = (value: number | undefined) => (value === undefined ? [] : [{ value }]);
  metrics.gauge("mesh_ca_ready", { description: "1 while certificates are issued; /readyz tells why not." }, () => [
    { value: readiness.state.ready ? 1 : 0 },
  ]);
  metrics.gauge(
    "mesh_ca_authority_end_seconds",
    { description: "When the chain of this replica's authority ends, by its state, Unix seconds.", unit: "s" },
    () =>
      authorities
        .records()
        .flatMap(({ state, issued, replica }) =>
          issued !== undefined && replica === config.replica && (state === "active" || state === "prepared")
            ? [{ value: Math.floor(endOfPath(issued) / 1000), attributes: { state } }]
            : [],
        ),
  );
  metrics.gauge(
    "mesh_ca_root_end_seconds",
    { description: "When the first of the published trust anchors ends, Unix seconds.", unit: "s" },
    () => {
      const ends = authorities.trustSet().anchors.map(({ notAfter }) => notAfter);
      return ends.length === 0 ? [] : [{ value: Math.floor(Math.min(...ends) / 1000) }];
    },
  );
  metrics.gauge("mesh_ca_bundle_sequence", { description: "Sequence number of the trust bundle." }, () => [
    { value: Number(authorities.trustSet().sequence) },
  ]);
  let looked: Looked | undefined;
  let freeBytes: number | undefined;
  const look = async (): Promise<void> => {
    freeBytes = await statfs(dir.path).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => undefined,
    );
    try {
      const before = clock.now();
      const theirs = await database.databaseNow();
      const clockDifferenceMs = (before + clock.now()) / 2 - theirs;
      looked = { clockDifferenceMs, orphans: (await countOrphans(database, clock.now())).orphans };
    } catch (error) {
      looked = undefined;
      logger.debug({ event: "health.look_failed", error }, "the database could not be looked at this time");
    }
  };
  metrics.gauge(
    "mesh_ca_clock_difference_seconds",
    { description: "How far this machine's clock is ahead of the database's.", unit: "s" },
    () => one(looked && looked.clockDifferenceMs / 1000),
  );
  metrics.gauge(
    "mesh_ca_issuances_without_outcome",
    { description: "Issuances recorded more than a minute ago whose signature was never reported." },
    () => one(looked && Number(looked.orphans)),
  );
  metrics.gauge("mesh_ca_disk_free_bytes", { description: "Room on the disk of the data directory.", unit: "By" }, () =>
    one(freeBytes),
  );
  let looking = look();
  const timer = setInterval(() => {
    looking = looking.then(look);
  }, LOOK_MS);
  timer.unref();
  lifecycle.add("health gauges", () => {
    clearInterval(timer);
    return looking;
  });
}

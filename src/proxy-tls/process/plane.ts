// The data plane as the primary sees it: in its own process, or in workers.
import type { AdminFinding, AdminWorker } from "../admin/view.ts";
import type { BoundAddress } from "../listener/runtime.ts";
import type { MetricsSnapshot } from "../observe/snapshot.ts";

export interface Plane {
  /** Opens every listener, or none. There must be an identity first. @throws TlsError, ProxyError */
  listen(): Promise<void>;
  /** Takes nothing new; resolves when everything in flight has ended, at the latest after `graceMs` and a little more. */
  drain(graceMs: number): Promise<void>;
  addresses(): ReadonlyMap<string, BoundAddress>;
  /** What keeps it from serving; empty: nothing. */
  problems(): readonly AdminFinding[];
  workers(): readonly AdminWorker[];
  /** Workers that ended although nobody asked them to. */
  readonly crashes: number;
  metrics(): Promise<MetricsSnapshot>;
}

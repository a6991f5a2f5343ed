// What the admin listener asks of the process that holds everything (the primary). The listener itself knows nothing else.
import type { ProxyConfig } from "../config/schema.ts";
import type { MetricsSnapshot } from "../observe/snapshot.ts";
import type { ProxyState } from "../state.ts";

/** Something that is wrong, in a sentence that says what to do. */
export interface AdminFinding {
  /** An MCA_ code. */
  readonly code: string;
  readonly sentence: string;
}

/** The policies in force. */
export interface AdminPolicies {
  /** Path of the file; undefined: none is configured. */
  readonly file: string | undefined;
  /** SHA-256 of the file's bytes that are in force, lower-case hex. */
  readonly sha256: string | undefined;
  readonly names: readonly string[];
  /** When they were loaded, Unix milliseconds. */
  readonly loadedAt: number | undefined;
}

/** Of the sources that are read again while the proxy runs. */
export type ReloadSource = "identity" | "trust" | "policies";

export interface AdminReload {
  readonly source: ReloadSource;
  readonly succeeded: number;
  readonly failed: number;
  /** Why the last one failed; undefined: it did not. What was loaded before is in force. */
  readonly problem: AdminFinding | undefined;
}

/** One process of the data plane. */
export interface AdminWorker {
  readonly pid: number;
  /** Listens on every listener, with the present state. */
  readonly serving: boolean;
}

export interface AdminView {
  /** Why the proxy is not ready; empty: it is. First SVID missing, listeners closed, draining ... */
  notReady(): readonly AdminFinding[];
  /** What should be mended and stops nothing: a broken reload, a CA that is away. */
  notes(): readonly AdminFinding[];
  state(): ProxyState;
  /** The effective configuration. Holds paths, no secret. */
  readonly config: ProxyConfig;
  policies(): AdminPolicies;
  reloads(): readonly AdminReload[];
  workers(): readonly AdminWorker[];
  /** Workers that ended although nobody asked them to. */
  readonly crashes: number;
  /**
   * The numbers of every worker, those that have ended included (observe/merge.ts: MetricsTotals). A worker that does not answer in time
   * counts with what it told last.
   */
  metrics(): Promise<MetricsSnapshot>;
}

// What the admin listener is told: everything that the primary knows.
import type { AdminFinding, AdminPolicies, AdminReload, AdminView, AdminWorker } from "../admin/view.ts";
import type { ProxyConfig } from "../config/schema.ts";
import type { MetricsSnapshot } from "../observe/snapshot.ts";
import type { ProxyState, StateSource } from "../state.ts";
import type { Plane } from "./plane.ts";
import type { StateSources } from "./sources.ts";

/** starting -> serving -> stopping; starting -> stopping. */
export type ProxyPhase = "starting" | "serving" | "stopping";

export interface PrimaryParts {
  readonly config: ProxyConfig;
  readonly state: StateSource;
  readonly sources: StateSources;
  readonly plane: Plane;
  phase(): ProxyPhase;
}

export class PrimaryView implements AdminView {
  readonly config: ProxyConfig;
  readonly #parts: PrimaryParts;

  constructor(parts: PrimaryParts) {
    this.config = parts.config;
    this.#parts = parts;
  }

  notReady(): readonly AdminFinding[] {
    const { sources, plane } = this.#parts;
    const phase = this.#parts.phase();
    if (phase === "stopping") {
      return [{ code: "MCA_PROXY_STOPPING", sentence: "The proxy is stopping: what is in flight is finished." }];
    }
    const identity = sources.missingIdentity();
    if (identity.length > 0) return identity;
    if (phase === "starting") return [{ code: "MCA_PROXY_STARTING", sentence: "The listeners are being opened." }];
    return plane.problems();
  }

  notes(): readonly AdminFinding[] {
    return this.#parts.sources.notes();
  }

  state(): ProxyState {
    return this.#parts.state.current();
  }

  policies(): AdminPolicies {
    return this.#parts.sources.policies();
  }

  reloads(): readonly AdminReload[] {
    return this.#parts.sources.reloads();
  }

  workers(): readonly AdminWorker[] {
    return this.#parts.plane.workers();
  }

  get crashes(): number {
    return this.#parts.plane.crashes;
  }

  metrics(): Promise<MetricsSnapshot> {
    return this.#parts.plane.metrics();
  }
}

// What every listener of a data plane shares.
import type { Clock, Logger, RandomSource } from "../../runtime/index.ts";
import type { ProxyConfig } from "../config/schema.ts";
import type { DeadlineWheel } from "../http/deadlines.ts";
import type { Observer } from "../observe/records.ts";
import type { StateSource } from "../state.ts";
import type { OpenConnections } from "./open-connections.ts";

/** What a data plane is given. */
export interface PlaneParts {
  readonly config: ProxyConfig;
  readonly state: StateSource;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

export interface ListenerRuntime extends PlaneParts {
  readonly wheel: DeadlineWheel;
  readonly connections: OpenConnections;
}

/** Where a listener is bound. */
export type BoundAddress =
  | { readonly host: string; readonly port: number; readonly path?: undefined }
  | { readonly path: string; readonly host?: undefined; readonly port?: undefined };

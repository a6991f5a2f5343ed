// What every part of a server is made with.
import type { Clock, Lifecycle, Logger, RandomSource, Telemetry } from "../runtime/index.ts";
import type { Config } from "./config/index.ts";
import type { DataDir } from "./data-dir.ts";
import type { Readiness } from "./readiness.ts";

export interface ServerBase {
  readonly config: Config;
  readonly dir: DataDir;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  readonly readiness: Readiness;
  readonly telemetry: Telemetry;
}

// being written
import type { Clock, Logger } from "../../runtime/index.ts";
import type { AuthorityManager } from "./manager.ts";
import type { AuthoritySettings } from "./settings.ts";

export interface RotatorOptions {
  readonly authorities: AuthorityManager;
  readonly clock: Clock;
  readonly settings: AuthoritySettings;
  readonly logger: Logger;
}
export class Rotator {
  constructor(_options: RotatorOptions) {}
  start(): void {}
  async close(): Promise<void> {}
}

// What all connections of an http listener have in common when their requests are forwarded.
import type { Clock, RandomSource } from "../../../runtime/index.ts";
import type { Observer } from "../../observe/records.ts";
import type { StateSource } from "../../state.ts";
import type { UpstreamPool } from "../../upstream/pool.ts";
import type { DeadlineWheel } from "../deadlines.ts";
import type { RetryBudget } from "./retry-budget.ts";

export interface ForwardRoute {
  /** The listener's name. */
  readonly listener: string;
  readonly direction: "inbound" | "outbound";
  readonly pool: UpstreamPool;
  /** Let callers with different principals share connections to the target. */
  readonly shareUpstream: boolean;
  /** Set x-forwarded-client-cert to the peer. */
  readonly setsClientCert: boolean;
  readonly state: StateSource;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly wheel: DeadlineWheel;
  readonly retries: RetryBudget;
  /** 0: no bound. */
  readonly requestMs: number;
  /** 0: no bound. */
  readonly responseMs: number;
  /** Our present id in Via. */
  readonly via: () => string;
  /** Counted by the forwarders. */
  readonly inProgress: { exchanges: number };
}

// What the bench and its load client (a process of its own, so that its CPU is not the server's) say to each other.
import type { TlsIdentity } from "../../src/tls/index.ts";

export type ToClient =
  /** Enrol one workload per token and keep one mTLS connection for each. */
  | { readonly kind: "enrol"; readonly address: string; readonly tokens: readonly string[] }
  /** Make this many keys and CSRs now, so that none is made while the server is measured. */
  | { readonly kind: "prepare"; readonly count: number }
  /** Renew `count` times in all, `inFlight` at once, each connection from its newest certificate. */
  | { readonly kind: "run"; readonly count: number; readonly inFlight: number }
  /** Follow WatchTrust over each connection, acknowledging what comes. */
  | { readonly kind: "follow" }
  /** Begin to renew so often, open loop, until `unpace`. */
  | { readonly kind: "pace"; readonly perSecond: number }
  | { readonly kind: "unpace" }
  /** The newest identity of the first workload, to renew with after a restart. */
  | { readonly kind: "identity" };

export type FromClient =
  | { readonly kind: "ready" }
  | { readonly kind: "enrolled" }
  | { readonly kind: "prepared" }
  | { readonly kind: "ran"; readonly seconds: number; readonly p50Ms: number; readonly p99Ms: number }
  | { readonly kind: "following" }
  | { readonly kind: "pacing" }
  | { readonly kind: "paced"; readonly calls: PacedCalls; readonly leastRevision: bigint }
  | { readonly kind: "identity"; readonly identity: TlsIdentity }
  | { readonly kind: "failed"; readonly sentence: string };

/** What became of paced calls. Times are Unix milliseconds of a monotonic clock. */
export interface PacedCalls {
  /** When each answered call was due, and how long after that its answer was there. */
  readonly dueMs: readonly number[];
  readonly latencyMs: readonly number[];
  readonly failures: readonly { readonly dueMs: number; readonly sentence: string }[];
}

// What the pool of connections to targets deals with: who asks for one, who is kept, and what belongs to one principal.
import { Deadline, type DeadlineWheel } from "../http/deadlines.ts";
import type { HttpClientConnection } from "../http/exchange.ts";
import type { ProxyPeer } from "../identity/peer.ts";

/** A verified connection to a target, with an engine on it. */
export interface PooledConnection {
  readonly connection: HttpClientConnection;
  /** For the log: host:port or path. */
  readonly target: string;
  /** Undefined: a plaintext target. */
  readonly peer: ProxyPeer | undefined;
}

export interface Waiter {
  /** The connection has room for one exchange, which has to be begun before this returns. */
  connected(pooled: PooledConnection): void;
  failed(failure: ConnectFailure): void;
}

export type ConnectFailure =
  | { readonly kind: "connect-failed"; readonly target: string; readonly error: unknown }
  | { readonly kind: "limit" };

export interface AcquireOptions {
  /** Only a connection that has carried nothing yet. */
  readonly fresh: boolean;
  /** A target that just failed: another one is taken, if there is one. */
  readonly avoid: string | undefined;
}

export const ANY: AcquireOptions = { fresh: false, avoid: undefined };

/** A request for a connection. */
export interface Acquisition {
  /** Withdraws it; without effect once the waiter was called. */
  cancel(): void;
}

export class Wanted implements Acquisition {
  readonly bucket: string;
  readonly waiter: Waiter;
  readonly options: AcquireOptions;
  cancelled = false;
  /** It has waited for a connection that rests; once is enough. */
  deferred = false;

  constructor(bucket: string, waiter: Waiter, options: AcquireOptions) {
    this.bucket = bucket;
    this.waiter = waiter;
    this.options = options;
  }

  cancel(): void {
    this.cancelled = true;
  }
}

export class Kept {
  readonly pooled: PooledConnection;
  readonly bucket: Bucket;
  readonly identityRevision: number;
  readonly idle: Deadline;
  trustRevision: number;
  used = false;
  /** The turn in which it became free. */
  freedIn = 0;

  constructor(pooled: PooledConnection, bucket: Bucket, revisions: readonly [number, number], wheel: DeadlineWheel) {
    this.pooled = pooled;
    this.bucket = bucket;
    [this.identityRevision, this.trustRevision] = revisions;
    this.idle = new Deadline(wheel, () => pooled.connection.drain());
  }
}

/** What belongs to one principal. */
export interface Bucket {
  readonly name: string;
  /** With room; the last used at the end. */
  readonly free: Kept[];
  readonly waiting: Wanted[];
  connecting: number;
  size: number;
}

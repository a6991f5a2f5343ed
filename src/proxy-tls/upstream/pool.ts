// The connections of one listener to its targets. Listener, route, SNI, ALPN and expected IDs are the same for all of them; what else keeps
// two requests apart is the caller's principal (unless callers share by configuration): it is the key of a bucket.
//
// A connection is taken only at the end of the turn in which it was asked for: what a target sends unasked, in the same poll as the
// request that would be given the connection, has then been read and has ended it (else an answer could be put before its question).
// One of HTTP/1 that has just become free rests for a turn before: what its target has sent behind its answer, though it be its end, is
// not in the read that brought the answer, but in the next one.
// At each take our own SVID is still the present one, and the peer is good by the present trust and time.
import type { DeadlineWheel } from "../http/deadlines.ts";
import type { ProxyPeer } from "../identity/peer.ts";
import type { ObservedEvent } from "../observe/records.ts";
import type { StateSource } from "../state.ts";
import {
  type AcquireOptions,
  type Acquisition,
  ANY,
  type Bucket,
  type ConnectFailure,
  Kept,
  type PooledConnection,
  type Waiter,
  Wanted,
} from "./pooled.ts";

/** How the pool hears of the life of a connection that `connect` makes. */
export interface ConnectionHooks {
  /** Room for an exchange has become free. */
  onIdle(): void;
  onClosed(): void;
}

export interface PoolOptions {
  /** Taken in turn. */
  readonly targets: readonly string[];
  /** Connects, verifies and puts an engine on the connection. Rejects with why it did not succeed. */
  connect(target: string, hooks: ConnectionHooks): Promise<PooledConnection>;
  readonly state: StateSource;
  /** Judges a peer by the present trust and time. @throws why it is no longer good */
  verify(peer: ProxyPeer): void;
  /** Unix milliseconds. */
  now(): number;
  readonly maxConnections: number;
  readonly maxPending: number;
  readonly idleMs: number;
  readonly wheel: DeadlineWheel;
  count(event: ObservedEvent): void;
  /** What a waiter threw. */
  onFault(error: unknown): void;
}

export class UpstreamPool {
  readonly #options: PoolOptions;
  readonly #buckets = new Map<string, Bucket>();
  readonly #all = new Set<Kept>();
  /** Asked for in this turn. */
  #asked: Wanted[] = [];
  /** Buckets in which room has become free in this turn. */
  readonly #eased = new Set<Bucket>();
  readonly #serveLater = (): void => this.#serve();
  #scheduled = false;
  #connecting = 0;
  #waiting = 0;
  /** Turns in which connections were handed out, or became free. */
  #turns = 0;
  #nextTarget = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Open connections and those being made. */
  get size(): number {
    return this.#all.size + this.#connecting;
  }

  /** Asks for a connection with room for one exchange. The waiter is called later, never from within. */
  acquire(bucket: string, waiter: Waiter, options: AcquireOptions = ANY): Acquisition {
    const wanted = new Wanted(bucket, waiter, options);
    this.#asked.push(wanted);
    this.#schedule();
    return wanted;
  }

  /** Ends everything now; who waits is told that it failed. */
  close(): void {
    this.#closed = true;
    for (const { pooled } of [...this.#all]) pooled.connection.destroy("shut-down");
    for (const bucket of [...this.#buckets.values()]) {
      for (const wanted of bucket.waiting.splice(0)) this.#refuse(wanted, { kind: "limit" });
      this.#tidy(bucket);
    }
  }

  /** Trust or identity has changed: idle connections that are no longer good go; busy ones go where the peer is no longer trusted. */
  reconsider(): void {
    for (const kept of [...this.#all]) {
      const { connection } = kept.pooled;
      if (!this.#isTrusted(kept)) connection.destroy("no-longer-trusted");
      else if (connection.active === 0 && !this.#isGood(kept)) connection.drain();
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#serveLater);
  }

  #serve(): void {
    this.#scheduled = false;
    if (this.#eased.size > 0) {
      const eased = [...this.#eased];
      this.#eased.clear();
      for (const bucket of eased) this.#serveWaiting(bucket);
    }
    const asked = this.#asked;
    this.#asked = [];
    for (const wanted of asked) {
      if (!wanted.cancelled) this.#serveOne(wanted);
    }
    this.#turns += 1;
  }

  #serveOne(wanted: Wanted): void {
    const bucket = this.#bucketOf(wanted.bucket);
    const kept = this.#take(bucket, wanted.options.fresh);
    if (kept !== undefined) {
      this.#hand(kept, wanted);
      return;
    }
    if (!wanted.deferred && this.#hasResting(bucket)) {
      wanted.deferred = true;
      this.#asked.push(wanted);
      this.#schedule();
      return;
    }
    if (this.#closed || this.#waiting >= this.#options.maxPending) {
      this.#options.count("pending-limit");
      wanted.waiter.failed({ kind: "limit" });
      this.#tidy(bucket);
      return;
    }
    this.#waiting += 1;
    bucket.waiting.push(wanted);
    this.#connectFor(bucket);
  }

  #serveWaiting(bucket: Bucket): void {
    for (let index = 0; index < bucket.waiting.length; ) {
      const wanted = bucket.waiting[index];
      const kept = wanted === undefined ? undefined : this.#take(bucket, wanted.options.fresh);
      if (wanted === undefined || kept === undefined) {
        index += 1;
        continue;
      }
      bucket.waiting.splice(index, 1);
      this.#waiting -= 1;
      if (wanted.cancelled) this.#give(kept);
      else this.#hand(kept, wanted);
    }
    if (bucket.waiting.length > 0 && this.#hasResting(bucket)) this.#ease(bucket);
  }

  /** Whether what its target has sent behind its last answer may not have been read yet. A stray frame of HTTP/2 answers nothing. */
  #isResting({ freedIn, pooled }: Kept): boolean {
    return freedIn === this.#turns && pooled.connection.protocol === "http/1.1";
  }

  #hasResting({ free }: Bucket): boolean {
    return free.some((kept) => this.#isResting(kept));
  }

  /** Takes a good connection with room out of the free ones. */
  #take(bucket: Bucket, fresh: boolean): Kept | undefined {
    const { free } = bucket;
    for (let index = free.length - 1; index >= 0; index -= 1) {
      const kept = free[index];
      if (kept === undefined || (fresh && kept.used) || this.#isResting(kept)) continue;
      free.splice(index, 1);
      if (kept.pooled.connection.capacity === 0) continue;
      if (this.#isGood(kept)) return kept;
      kept.pooled.connection.drain();
    }
    return undefined;
  }

  #hand(kept: Kept, wanted: Wanted): void {
    kept.idle.clear();
    kept.used = true;
    try {
      wanted.waiter.connected(kept.pooled);
    } catch (error) {
      this.#options.onFault(error);
      kept.pooled.connection.destroy("internal");
      wanted.waiter.failed({ kind: "connect-failed", target: kept.pooled.target, error });
    }
    this.#give(kept);
  }

  /** Puts a connection that has room among the free ones. */
  #give(kept: Kept): void {
    const { connection } = kept.pooled;
    const { free } = kept.bucket;
    if (connection.capacity === 0 || !this.#all.has(kept)) return;
    if (!free.includes(kept)) free.push(kept);
    if (connection.active === 0) kept.idle.set(this.#options.idleMs);
  }

  #freed(kept: Kept): void {
    kept.freedIn = this.#turns;
    this.#give(kept);
    if (kept.bucket.waiting.length > 0) this.#ease(kept.bucket);
    // Its rest is over when this turn is.
    else if (this.#isResting(kept)) this.#schedule();
  }

  #ease(bucket: Bucket): void {
    this.#eased.add(bucket);
    this.#schedule();
  }

  /** As many connections are being made as requests wait; an HTTP/2 connection that comes serves several of them. */
  #connectFor(bucket: Bucket): void {
    while (bucket.connecting < bucket.waiting.length) {
      if (this.size < this.#options.maxConnections || this.#evictIdle()) {
        void this.#connect(bucket, this.#targetBut(bucket.waiting[bucket.connecting]?.options.avoid));
        continue;
      }
      this.#options.count("upstream-limit");
      // One of its own will become free, unless it has to be a new one.
      if (bucket.connecting + bucket.size > 0 && bucket.waiting.at(-1)?.options.fresh !== true) return;
      const wanted = bucket.waiting.pop();
      if (wanted !== undefined) this.#refuse(wanted, { kind: "limit" });
    }
  }

  #targetBut(avoid: string | undefined): string {
    const { targets } = this.#options;
    let target = "";
    for (let tries = 0; tries < 2; tries += 1) {
      target = targets[this.#nextTarget++ % targets.length] ?? "";
      if (target !== avoid) break;
    }
    return target;
  }

  async #connect(bucket: Bucket, target: string): Promise<void> {
    const { state, wheel } = this.#options;
    const { identityRevision, trustRevision } = state.current();
    let kept: Kept | undefined;
    let gone = false;
    bucket.connecting += 1;
    this.#connecting += 1;
    try {
      const pooled = await this.#options.connect(target, {
        onIdle: () => {
          if (kept !== undefined) this.#freed(kept);
        },
        onClosed: () => {
          gone = true;
          if (kept !== undefined) this.#forget(kept);
        },
      });
      if (gone) throw new Error("the target closed the connection at once");
      kept = new Kept(pooled, bucket, [identityRevision, trustRevision], wheel);
    } catch (error) {
      const wanted = bucket.waiting.shift();
      if (wanted !== undefined) this.#refuse(wanted, { kind: "connect-failed", target, error });
    }
    bucket.connecting -= 1;
    this.#connecting -= 1;
    if (kept === undefined) {
      this.#tidy(bucket);
      return;
    }
    this.#all.add(kept);
    bucket.size += 1;
    if (!this.#closed && this.#isGood(kept)) this.#freed(kept);
    else this.#reject(kept, target);
  }

  /**
   * Closed, or no longer good since it was begun: somebody who waits is told, so that nobody connects for ever. But where our own certificate
   * was replaced meanwhile, that is nobody's failure and costs no retry: another connection is made for who waits.
   */
  #reject(kept: Kept, target: string): void {
    const { pooled, bucket } = kept;
    const rotated = kept.identityRevision !== this.#options.state.current().identityRevision;
    const wanted = rotated && !this.#closed ? undefined : bucket.waiting.shift();
    pooled.connection.destroy("no-longer-good");
    const error = new Error("the connection was no longer good when it had been made");
    if (wanted !== undefined) this.#refuse(wanted, { kind: "connect-failed", target, error });
  }

  /** Whether the next exchange may use it. */
  #isGood(kept: Kept): boolean {
    return kept.identityRevision === this.#options.state.current().identityRevision && this.#isTrusted(kept);
  }

  #isTrusted(kept: Kept): boolean {
    const { peer } = kept.pooled;
    const { trustRevision } = this.#options.state.current();
    if (peer === undefined) return true;
    if (kept.trustRevision === trustRevision) return this.#options.now() < peer.notAfter;
    try {
      this.#options.verify(peer);
      kept.trustRevision = trustRevision;
      return true;
    } catch {
      this.#options.count("connection-reevaluated");
      return false;
    }
  }

  #evictIdle(): boolean {
    for (const { pooled } of this.#all) {
      if (pooled.connection.active > 0) continue;
      pooled.connection.drain();
      return true;
    }
    return false;
  }

  #forget(kept: Kept): void {
    const { bucket } = kept;
    if (!this.#all.delete(kept)) return;
    kept.idle.release();
    bucket.size -= 1;
    const index = bucket.free.indexOf(kept);
    if (index >= 0) bucket.free.splice(index, 1);
    if (bucket.waiting.length > 0) this.#connectFor(bucket);
    this.#tidy(bucket);
  }

  #tidy(bucket: Bucket): void {
    if (bucket.size === 0 && bucket.connecting === 0 && bucket.waiting.length === 0) this.#buckets.delete(bucket.name);
  }

  #bucketOf(name: string): Bucket {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = { name, free: [], waiting: [], connecting: 0, size: 0 };
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }

  #refuse(wanted: Wanted, failure: ConnectFailure): void {
    this.#waiting -= 1;
    if (!wanted.cancelled) wanted.waiter.failed(failure);
  }
}

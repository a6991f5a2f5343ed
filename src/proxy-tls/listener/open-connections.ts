// Every open connection of the data plane, so that nothing outlives what it was let in by: when trust changes each peer is verified
// again, when policies change each connection is decided again, and once a second each is asked whether its time has come.
//
// Thousands of connections are judged in slices of a few milliseconds, so that nobody else waits for it; a connection that is not
// judged yet carries the revision it was judged by.
import type { Clock } from "../../runtime/index.ts";
import { SpiffeError } from "../../spiffe/index.ts";
import type { ProxyPeer } from "../identity/peer.ts";
import type { PeerVerifier } from "../identity/peer-verifier.ts";
import type { StateSource } from "../state.ts";

const DEFAULT_SLICE_MS = 4;
const DEFAULT_SWEEP_MS = 1_000;

/** A connection that is judged again while it is open. */
export interface OpenConnection {
  /** Whose certificate it rests on; undefined: nobody's. */
  readonly peer: ProxyPeer | undefined;
  /** What `peer` was verified by, and what the connection was decided by. The registry moves them on. */
  trustRevision: number;
  policyRevision: number;
  /** The peer is nobody by what is trusted now. */
  endUntrusted(): void;
  /** Policies have changed. */
  reconsider(): void;
  /** Called about once a second. Both in milliseconds: Unix time, and one that never jumps. */
  sweep(now: number, monotonic: number): void;
  /** We are stopping: no new work. */
  drain(): void;
  /** We have stopped waiting. */
  endDrained(): void;
}

export interface OpenConnectionsOptions {
  readonly state: StateSource;
  readonly clock: Clock;
  /** How often connections are asked whether their time has come. Default 1,000. */
  readonly sweepMs?: number | undefined;
  /** How long connections are judged before the event loop has its turn. Default 4. */
  readonly sliceMs?: number | undefined;
  /** Something that a connection threw. */
  onFault(error: unknown): void;
}

export class OpenConnections {
  readonly #options: OpenConnectionsOptions;
  readonly #open = new Set<OpenConnection>();
  readonly #unsubscribe: () => void;
  readonly #sweep: NodeJS.Timeout;
  readonly #sliceMs: number;
  /** Present while a round of judging is under way. */
  #round: Iterator<OpenConnection> | undefined;
  /** Verdicts of this round: many connections have the same peer. */
  readonly #verdicts = new Map<ProxyPeer, boolean>();
  #verdictsOf: PeerVerifier | undefined;

  constructor(options: OpenConnectionsOptions) {
    this.#options = options;
    this.#sliceMs = options.sliceMs ?? DEFAULT_SLICE_MS;
    this.#unsubscribe = options.state.onChange(() => this.#restart());
    this.#sweep = setInterval(() => this.#sweepAll(), options.sweepMs ?? DEFAULT_SWEEP_MS);
    this.#sweep.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes a connection that was judged by the revisions it carries; where they have changed meanwhile it is judged again at once. */
  add(connection: OpenConnection): void {
    this.#open.add(connection);
    this.#judge(connection);
    if (this.#round === undefined) this.#verdicts.clear();
  }

  delete(connection: OpenConnection): void {
    this.#open.delete(connection);
  }

  drain(): void {
    for (const connection of this.#open) this.#guarded(() => connection.drain());
  }

  endDrained(): void {
    for (const connection of this.#open) this.#guarded(() => connection.endDrained());
  }

  /** Judges nothing any more. */
  close(): void {
    this.#unsubscribe();
    clearInterval(this.#sweep);
    this.#round = undefined;
    this.#verdicts.clear();
  }

  #restart(): void {
    const idle = this.#round === undefined;
    this.#round = this.#open.values();
    if (idle) this.#slice();
  }

  #slice(): void {
    const end = performance.now() + this.#sliceMs;
    while (this.#round !== undefined) {
      const next = this.#round.next();
      if (next.done === true) {
        this.#round = undefined;
        this.#verdicts.clear();
        return;
      }
      this.#judge(next.value);
      if (performance.now() > end) {
        setImmediate(() => this.#slice());
        return;
      }
    }
  }

  #judge(connection: OpenConnection): void {
    const { trustRevision, policyRevision, peers } = this.#options.state.current();
    if (connection.trustRevision !== trustRevision) {
      connection.trustRevision = trustRevision;
      if (connection.peer !== undefined && !this.#isTrusted(connection.peer, peers)) {
        this.#guarded(() => connection.endUntrusted());
        return;
      }
    }
    if (connection.policyRevision !== policyRevision) {
      connection.policyRevision = policyRevision;
      this.#guarded(() => connection.reconsider());
    }
  }

  #isTrusted(peer: ProxyPeer, peers: PeerVerifier): boolean {
    if (this.#verdictsOf !== peers) {
      this.#verdictsOf = peers;
      this.#verdicts.clear();
    }
    let verdict = this.#verdicts.get(peer);
    if (verdict === undefined) {
      verdict = this.#verify(peer, peers);
      this.#verdicts.set(peer, verdict);
    }
    return verdict;
  }

  #verify(peer: ProxyPeer, peers: PeerVerifier): boolean {
    try {
      // Whether an expired one may stay is not asked here: the sweep knows how long.
      peers.verify(peer.chain, Math.min(this.#options.clock.now(), peer.notAfter));
      return true;
    } catch (error) {
      if (!(error instanceof SpiffeError)) this.#options.onFault(error);
      return false;
    }
  }

  #sweepAll(): void {
    const now = this.#options.clock.now();
    const monotonic = performance.now();
    for (const connection of this.#open) this.#guarded(() => connection.sweep(now, monotonic));
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onFault(error);
    }
  }
}

// The open WatchTrust streams: a snapshot first, then deltas, and a heartbeat every five seconds. Made for many thousands:
// each message is made and encoded once for all of them, heartbeats are spread over their interval, and a watcher that does
// not read holds at most what is on its way: it misses deltas, gets one whole snapshot when it reads again, and is let go after
// a while. Its state: reading -> behind (a write was not taken) -> reading (snapshot) | gone.
import { IdentityServiceService, type WatchTrustResponse } from "../../proto/gen/meshca/identity/v1/identity.ts";
import type { Clock, Metrics } from "../../runtime/index.ts";
import { ApiError } from "../api-error.ts";
import type { OutgoingStream } from "./calls.ts";
import { frameMessage } from "./definition.ts";
import { type StreamPeer, StreamShares, shuttingDown } from "./stream-shares.ts";
import type { CurrentTrust, TrustFeed } from "./trust-feed.ts";

export const HEARTBEAT_MS = 5_000;
/** Heartbeats of all watchers are spread over this many ticks. */
const HEARTBEAT_SLOTS = 20;
/** A watcher that has not read for so long is let go. */
const SLOW_WATCHER_MS = 30_000;

/** Whose stream it is. */
export interface WatchingPeer extends StreamPeer {
  /** SPIFFE ID, or "anonymous". */
  readonly peerName: string;
  /** Network address without the port; "local" for the admin socket. */
  readonly address: string;
}

/** Who has not said that it took over the present revision. */
export interface LaggingWatcher {
  readonly peer: string;
  readonly address: string;
  /** The newest that it acknowledged; 0: none. */
  readonly acknowledged: bigint;
  /** Since when something that was sent is not acknowledged, Unix milliseconds. */
  readonly since: number;
}

export type WatchStream = OutgoingStream<WatchTrustResponse>;

interface Watcher {
  readonly stream: WatchStream;
  readonly peer: WatchingPeer;
  readonly slot: number;
  /** Monotonic milliseconds since when it does not read; undefined while it does. */
  behindSince: number | undefined;
  /** It missed a delta: nothing but a snapshot makes sense to it now. */
  missed: boolean;
  acknowledged: bigint;
  /** Unix milliseconds; undefined: it has acknowledged what is in force. */
  laggingSince: number | undefined;
  end(error: ApiError): void;
}

export interface TrustWatchersOptions {
  readonly feed: TrustFeed;
  readonly maxWatchers: number;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Monotonic milliseconds. */
  readonly monotonicMs?: () => number;
}

const frames = new WeakMap<WatchTrustResponse, Buffer>();

/** A message of the stream as a gRPC frame; what goes to many watchers is encoded once. */
export function frameOfWatchResponse(message: WatchTrustResponse): Buffer {
  let frame = frames.get(message);
  if (frame === undefined) {
    frame = frameMessage(IdentityServiceService.watchTrust, message);
    frames.set(message, frame);
  }
  return frame;
}

export class TrustWatchers {
  readonly #options: TrustWatchersOptions;
  readonly #watchers = new Set<Watcher>();
  readonly #ofPeer = new WeakMap<WatchingPeer, Set<Watcher>>();
  readonly #shares: StreamShares;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #stopFeed: () => void;
  #snapshot: WatchTrustResponse;
  #heartbeat: WatchTrustResponse;
  #slot = 0;
  #nextSlot = 0;
  #closed = false;

  constructor(options: TrustWatchersOptions) {
    this.#options = options;
    this.#shares = new StreamShares({ what: "trust streams", most: options.maxWatchers });
    this.#now = options.monotonicMs ?? (() => performance.now());
    this.#snapshot = snapshotOf(options.feed.current);
    this.#heartbeat = heartbeatOf(options.feed.current);
    this.#stopFeed = options.feed.onChange((current, delta) => {
      this.#snapshot = snapshotOf(current);
      this.#heartbeat = heartbeatOf(current);
      const change: WatchTrustResponse =
        delta === undefined
          ? this.#snapshot
          : { revision: current.snapshot.revision, update: { $case: "delta", value: delta } };
      const now = options.clock.now();
      for (const watcher of this.#watchers) {
        watcher.laggingSince ??= now;
        this.#tell(watcher, change);
      }
    });
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS / HEARTBEAT_SLOTS);
    this.#timer.unref();
    options.metrics.gauge("mesh_ca_trust_watchers", { description: "Open WatchTrust streams." }, () => [
      { value: this.#watchers.size },
    ]);
    options.metrics.gauge(
      "mesh_ca_trust_watchers_behind",
      { description: "WatchTrust streams whose client has not acknowledged the trust that is published now." },
      () => [{ value: this.lagging(0).count }],
    );
  }

  get size(): number {
    return this.#watchers.size;
  }

  /**
   * Serves one stream until it ends: rejects with the reason when we end it, resolves when the caller went away. `peer`: whose
   * stream it is (one object for each connection), so that nobody takes the places of all others.
   * @throws ApiError MCA_OVERLOADED, MCA_SHUTTING_DOWN, MCA_WATCH_TOO_SLOW
   */
  serve(stream: WatchStream, peer: WatchingPeer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw shuttingDown();
      const own = this.#ofPeer.get(peer) ?? new Set();
      this.#ofPeer.set(peer, own);
      const watcher: Watcher = {
        stream,
        peer,
        slot: this.#nextSlot++ % HEARTBEAT_SLOTS,
        behindSince: undefined,
        missed: false,
        acknowledged: 0n,
        laggingSince: this.#options.clock.now(),
        end: (error) => {
          leave();
          reject(error);
        },
      };
      const giveBack = this.#shares.take(peer, watcher.end);
      const leave = (): void => {
        this.#watchers.delete(watcher);
        own.delete(watcher);
        giveBack();
      };
      this.#watchers.add(watcher);
      own.add(watcher);
      stream.once("close", () => {
        leave();
        resolve();
      });
      this.#send(watcher, this.#snapshot);
    });
  }

  /**
   * The client of this connection has taken over a revision. What was never sent (a revision of the future) counts for nothing, and
   * so does whoever watches nothing: it costs no memory.
   */
  acknowledge(peer: WatchingPeer, revision: bigint): void {
    const current = this.#options.feed.current.snapshot.revision;
    if (revision > current) return;
    for (const watcher of this.#ofPeer.get(peer) ?? []) {
      watcher.acknowledged = revision;
      if (revision === current) watcher.laggingSince = undefined;
    }
  }

  /** Who has not acknowledged what is in force: how many, and up to `most` of them, those first that have lagged longest. */
  lagging(most: number): { readonly watchers: readonly LaggingWatcher[]; readonly count: number } {
    const lagging = [...this.#watchers].flatMap(({ peer, acknowledged, laggingSince: since }) =>
      since === undefined ? [] : [{ peer: peer.peerName, address: peer.address, acknowledged, since }],
    );
    const watchers = most === 0 ? [] : lagging.sort((a, b) => a.since - b.since).slice(0, most);
    return { watchers, count: lagging.length };
  }

  /** Ends every stream with UNAVAILABLE, so that callers come back to another replica. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#stopFeed();
    for (const watcher of [...this.#watchers]) watcher.end(shuttingDown());
  }

  #tell(watcher: Watcher, change: WatchTrustResponse): void {
    if (watcher.behindSince === undefined) this.#send(watcher, change);
    else watcher.missed = true;
  }

  #send(watcher: Watcher, message: WatchTrustResponse): void {
    if (watcher.stream.write(message) || !watcher.stream.writableNeedDrain) return;
    watcher.behindSince = this.#now();
    watcher.stream.once("drain", () => {
      watcher.behindSince = undefined;
      if (!watcher.missed || !this.#watchers.has(watcher)) return;
      watcher.missed = false;
      this.#send(watcher, this.#snapshot);
    });
  }

  #beat(): void {
    this.#slot = (this.#slot + 1) % HEARTBEAT_SLOTS;
    const now = this.#now();
    for (const watcher of this.#watchers) {
      if (watcher.slot !== this.#slot) continue;
      if (watcher.behindSince === undefined) this.#send(watcher, this.#heartbeat);
      else if (now - watcher.behindSince > SLOW_WATCHER_MS) {
        watcher.end(
          new ApiError(
            "MCA_WATCH_TOO_SLOW",
            "This stream was not read for 30 s and was ended. Open it again and read it.",
          ),
        );
      }
    }
  }
}

function snapshotOf({ snapshot }: CurrentTrust): WatchTrustResponse {
  return { revision: snapshot.revision, update: { $case: "snapshot", value: snapshot } };
}

function heartbeatOf({ snapshot }: CurrentTrust): WatchTrustResponse {
  return { revision: snapshot.revision, update: { $case: "heartbeat", value: {} } };
}

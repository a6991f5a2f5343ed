// The open WatchTrust streams: a snapshot first, then deltas, and a heartbeat every five seconds. Made for many thousands:
// each message is made and encoded once for all of them, heartbeats are spread over their interval, and a watcher that does
// not read holds at most what is on its way: it misses deltas, gets one whole snapshot when it reads again, and is let go after
// a while. Its state: reading -> behind (a write was not taken) -> reading (snapshot) | gone.
import { WatchTrustResponse } from "../../proto/gen/meshca/identity/v1/identity.ts";
import type { Metrics } from "../../runtime/index.ts";
import { ApiError } from "../api-error.ts";
import type { CurrentTrust, TrustFeed } from "./trust-feed.ts";

export const HEARTBEAT_MS = 5_000;
/** Heartbeats of all watchers are spread over this many ticks. */
const HEARTBEAT_SLOTS = 20;
/** A watcher that has not read for so long is let go. */
const SLOW_WATCHER_MS = 30_000;

/** What one connection may take of all streams, and what it may always have: a process may have several sources. */
const SHARE_OF_A_PEER = 1 / 100;
const LEAST_OF_A_PEER = 16;

/** As much of a gRPC stream as is used here. */
export interface WatchStream {
  write(message: WatchTrustResponse): boolean;
  readonly writableNeedDrain: boolean;
  once(event: "drain" | "close", listener: () => void): unknown;
}

interface Watcher {
  readonly stream: WatchStream;
  readonly slot: number;
  /** Monotonic milliseconds since when it does not read; undefined while it does. */
  behindSince: number | undefined;
  /** It missed a delta: nothing but a snapshot makes sense to it now. */
  missed: boolean;
  end(error: ApiError): void;
}

export interface TrustWatchersOptions {
  readonly feed: TrustFeed;
  readonly maxWatchers: number;
  readonly metrics: Metrics;
  /** Monotonic milliseconds. */
  readonly monotonicMs?: () => number;
}

const encodedMessages = new WeakMap<WatchTrustResponse, Buffer>();

/** Serializes a message of the stream; what goes to many watchers is encoded once. */
export function serializeWatchResponse(message: WatchTrustResponse): Buffer {
  let bytes = encodedMessages.get(message);
  if (bytes === undefined) {
    bytes = Buffer.from(WatchTrustResponse.encode(message).finish());
    encodedMessages.set(message, bytes);
  }
  return bytes;
}

export class TrustWatchers {
  readonly #options: TrustWatchersOptions;
  readonly #watchers = new Set<Watcher>();
  readonly #ofPeer = new WeakMap<object, number>();
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
      for (const watcher of this.#watchers) this.#tell(watcher, change);
    });
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS / HEARTBEAT_SLOTS);
    this.#timer.unref();
    options.metrics.gauge("mesh_ca_trust_watchers", { description: "Open WatchTrust streams." }, () => [
      { value: this.#watchers.size },
    ]);
  }

  get size(): number {
    return this.#watchers.size;
  }

  /**
   * Serves one stream until it ends: rejects with the reason when we end it, resolves when the caller went away. `peer`: whose
   * stream it is, so that nobody takes the places of all others.
   * @throws ApiError MCA_OVERLOADED, MCA_SHUTTING_DOWN, MCA_WATCH_TOO_SLOW
   */
  async serve(stream: WatchStream, peer: object): Promise<void> {
    const open = this.#ofPeer.get(peer) ?? 0;
    const most = Math.max(LEAST_OF_A_PEER, Math.floor(this.#options.maxWatchers * SHARE_OF_A_PEER));
    if (open >= most) {
      throw new ApiError("MCA_OVERLOADED", `This connection has ${most} trust streams already. End one of them first.`);
    }
    this.#ofPeer.set(peer, open + 1);
    try {
      await this.#serve(stream);
    } finally {
      this.#ofPeer.set(peer, (this.#ofPeer.get(peer) ?? 1) - 1);
    }
  }

  #serve(stream: WatchStream): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(shuttingDown());
      if (this.#watchers.size >= this.#options.maxWatchers) {
        return reject(
          new ApiError(
            "MCA_OVERLOADED",
            `This server has ${this.#options.maxWatchers} trust watchers already. Try again later, or another replica.`,
          ),
        );
      }
      const watcher: Watcher = {
        stream,
        slot: this.#nextSlot++ % HEARTBEAT_SLOTS,
        behindSince: undefined,
        missed: false,
        end: (error) => {
          this.#watchers.delete(watcher);
          reject(error);
        },
      };
      this.#watchers.add(watcher);
      stream.once("close", () => {
        this.#watchers.delete(watcher);
        resolve();
      });
      this.#send(watcher, this.#snapshot);
    });
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

function shuttingDown(): ApiError {
  return new ApiError(
    "MCA_SHUTTING_DOWN",
    "This server is shutting down. Connect again: another replica, or this one when it is back.",
  );
}

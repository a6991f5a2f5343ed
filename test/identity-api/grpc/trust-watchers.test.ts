// WatchTrust for many: snapshot first, deltas once for all, heartbeats, and nothing that grows for a watcher that does not read.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { mock, test } from "node:test";
import type { ApiError } from "../../../src/identity-api/api-error.ts";
import type { CurrentTrust, TrustFeed, TrustListener } from "../../../src/identity-api/grpc/trust-feed.ts";
import {
  frameOfWatchResponse,
  HEARTBEAT_MS,
  TrustWatchers,
  type WatchingPeer,
  type WatchStream,
} from "../../../src/identity-api/grpc/trust-watchers.ts";
import {
  TrustDelta,
  TrustSnapshot,
  type WatchTrustResponse,
} from "../../../src/proto/gen/meshca/identity/v1/identity.ts";
import { silentMetrics } from "../../../src/runtime/index.ts";

class Stream extends EventEmitter implements WatchStream {
  readonly got: WatchTrustResponse[] = [];
  writableNeedDrain = false;
  stuck = false;
  write(message: WatchTrustResponse): boolean {
    this.got.push(message);
    this.writableNeedDrain = this.stuck;
    return !this.stuck;
  }
  drain(): void {
    this.stuck = false;
    this.writableNeedDrain = false;
    this.emit("drain");
  }
  kinds(): (string | undefined)[] {
    return this.got.map((message) => message.update?.$case);
  }
}

function fakeFeed(): { feed: TrustFeed; change(revision: bigint, delta?: TrustDelta): void } {
  const trust = (revision: bigint): CurrentTrust => {
    const snapshot = TrustSnapshot.fromPartial({ trustDomain: "example.test", revision });
    return { snapshot, encoded: TrustSnapshot.encode(snapshot).finish() };
  };
  let current = trust(1n);
  const listeners = new Set<TrustListener>();
  const feed = {
    get current() {
      return current;
    },
    onChange(listener: TrustListener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {},
  };
  return {
    // Only these three members of a TrustFeed are used here.
    feed: feed as unknown as TrustFeed,
    change(revision, delta) {
      current = trust(revision);
      for (const listener of listeners) listener(current, delta);
    },
  };
}

let peers = 0;

/** A connection of its own. */
function somebody(): WatchingPeer {
  peers += 1;
  return { peerName: `spiffe://example.test/peer${peers}`, address: "192.0.2.1", identified: true };
}

/** A connection without a certificate. */
const stranger = (): WatchingPeer => ({ peerName: "anonymous", address: "192.0.2.66", identified: false });

function start(maxWatchers = 10) {
  mock.timers.enable({ apis: ["setInterval"] });
  const { feed, change } = fakeFeed();
  let now = 0;
  const watchers = new TrustWatchers({
    feed,
    maxWatchers,
    metrics: silentMetrics,
    clock: { now: () => 1_000_000 + now },
    monotonicMs: () => now,
  });
  return {
    watchers,
    change,
    tick(ms: number) {
      for (let passed = 0; passed < ms; passed += 250) {
        now += 250;
        mock.timers.tick(250);
      }
    },
    end() {
      watchers.close();
      mock.timers.reset();
    },
  };
}

test("a snapshot comes first and at once, then deltas, and a heartbeat every five seconds", () => {
  const { watchers, change, tick, end } = start();
  const stream = new Stream();
  watchers.serve(stream, somebody()).catch(() => {});
  assert.deepEqual(stream.kinds(), ["snapshot"]);
  change(2n, TrustDelta.fromPartial({ sequence: 2n }));
  change(3n);
  assert.deepEqual(
    stream.kinds(),
    ["snapshot", "delta", "snapshot"],
    "a change that no delta can say is a new snapshot",
  );
  tick(HEARTBEAT_MS * 2);
  assert.deepEqual(stream.kinds().slice(3), ["heartbeat", "heartbeat"]);
  assert.equal(stream.got.at(-1)?.revision, 3n);
  end();
});

test("a message for many watchers is encoded once", () => {
  const { watchers, change, end } = start();
  const [one, two] = [new Stream(), new Stream()];
  watchers.serve(one, somebody()).catch(() => {});
  watchers.serve(two, somebody()).catch(() => {});
  change(2n, TrustDelta.fromPartial({ sequence: 2n }));
  const [first, second] = [one.got[1], two.got[1]];
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(frameOfWatchResponse(first), frameOfWatchResponse(second));
  end();
});

test("heartbeats of many watchers are spread over the interval", () => {
  const { watchers, tick, end } = start(100);
  const streams = Array.from({ length: 40 }, () => new Stream());
  for (const stream of streams) watchers.serve(stream, somebody()).catch(() => {});
  tick(250);
  assert.equal(streams.filter((stream) => stream.got.length === 2).length, 2);
  tick(HEARTBEAT_MS - 250);
  assert.ok(streams.every((stream) => stream.got.length === 2));
  end();
});

test("a watcher that does not read gets nothing more, and one snapshot when it reads again", () => {
  const { watchers, change, tick, end } = start();
  const stream = new Stream();
  watchers.serve(stream, somebody()).catch(() => {});
  stream.stuck = true;
  change(2n, TrustDelta.fromPartial({}));
  const held = stream.got.length;
  for (let revision = 3n; revision < 1000n; revision++) change(revision, TrustDelta.fromPartial({}));
  tick(HEARTBEAT_MS);
  assert.equal(stream.got.length, held, "nothing is queued for it");
  stream.drain();
  assert.equal(stream.got.length, held + 1);
  assert.equal(stream.got.at(-1)?.update?.$case, "snapshot");
  assert.equal(stream.got.at(-1)?.revision, 999n);
  end();
});

test("a watcher that does not read for half a minute is let go with a code", async () => {
  const { watchers, change, tick, end } = start();
  const stream = new Stream();
  const served = watchers.serve(stream, somebody());
  stream.stuck = true;
  change(2n, TrustDelta.fromPartial({}));
  tick(40_000);
  await assert.rejects(served, { code: "MCA_WATCH_TOO_SLOW" } satisfies Partial<ApiError>);
  assert.equal(watchers.size, 0);
  end();
});

test("more watchers than allowed are refused; a place is free again when one goes", async () => {
  const { watchers, end } = start(1);
  const first = new Stream();
  const served = watchers.serve(first, somebody());
  await assert.rejects(watchers.serve(new Stream(), somebody()), { code: "MCA_OVERLOADED" });
  first.emit("close");
  await served;
  watchers.serve(new Stream(), somebody()).catch(() => {});
  assert.equal(watchers.size, 1);
  end();
});

test("closing ends every stream with a code that brings callers back", async () => {
  const { watchers, end } = start();
  const served = watchers.serve(new Stream(), somebody());
  end();
  await assert.rejects(served, { code: "MCA_SHUTTING_DOWN" });
  await assert.rejects(watchers.serve(new Stream(), somebody()), { code: "MCA_SHUTTING_DOWN" });
});

test("one connection has a hundredth of all streams and at least sixteen, so that it takes nobody else's places", async () => {
  const { watchers, end } = start(1_000);
  const peer = somebody();
  const streams = Array.from({ length: 16 }, () => new Stream());
  const served = streams.map((stream) => watchers.serve(stream, peer));
  await assert.rejects(watchers.serve(new Stream(), peer), { code: "MCA_OVERLOADED" });
  watchers.serve(new Stream(), somebody()).catch(() => {});
  streams[0]?.emit("close");
  await served[0];
  watchers.serve(new Stream(), peer).catch(() => {});
  assert.equal(watchers.size, 17);
  for (const promise of served) promise.catch(() => {});
  end();
});

test("callers without a certificate have a quarter of all streams; the oldest of theirs makes room for the newest", async () => {
  const { watchers, end } = start(40);
  const sitting = Array.from({ length: 10 }, () => ({ stream: new Stream(), peer: stranger() }));
  const served = sitting.map(({ stream, peer }) => watchers.serve(stream, peer));
  const newest = new Stream();
  watchers.serve(newest, stranger()).catch(() => {});
  assert.deepEqual(newest.kinds(), ["snapshot"], "who has to learn trust learns it");
  await assert.rejects(served[0] ?? Promise.resolve(), { code: "MCA_OVERLOADED", message: /certificate/ });
  assert.equal(watchers.size, 10);
  for (let known = 0; known < 30; known++) watchers.serve(new Stream(), somebody()).catch(() => {});
  assert.equal(watchers.size, 40, "the others' places are left");
  watchers.serve(new Stream(), somebody()).catch(() => {});
  await assert.rejects(served[1] ?? Promise.resolve(), { code: "MCA_OVERLOADED" });
  assert.equal(watchers.size, 40, "a known caller takes a stranger's place");
  for (const promise of served) promise.catch(() => {});
  end();
});

test("a stream that ended twice over gives back one place only", async () => {
  const { watchers, end } = start(1);
  const stream = new Stream();
  const served = watchers.serve(stream, stranger());
  watchers.serve(new Stream(), somebody()).catch(() => {});
  await assert.rejects(served, { code: "MCA_OVERLOADED" });
  stream.emit("close");
  await assert.rejects(watchers.serve(new Stream(), somebody()), { code: "MCA_OVERLOADED" });
  end();
});

test("whoever has not acknowledged the present revision is listed, with since when, the longest first", () => {
  const { watchers, change, tick, end } = start();
  const [one, two] = [somebody(), somebody()];
  watchers.serve(new Stream(), one).catch(() => {});
  assert.equal(watchers.lagging(10).count, 1, "a watcher begins with nothing acknowledged");
  watchers.acknowledge(one, 1n);
  assert.deepEqual(watchers.lagging(10), { watchers: [], count: 0 });
  tick(1_000);
  watchers.serve(new Stream(), two).catch(() => {});
  tick(1_000);
  change(2n, TrustDelta.fromPartial({ sequence: 2n }));
  assert.deepEqual(
    watchers.lagging(10).watchers.map(({ peer, acknowledged, since }) => [peer, acknowledged, since]),
    [
      [two.peerName, 0n, 1_001_000],
      [one.peerName, 1n, 1_002_000],
    ],
  );
  watchers.acknowledge(one, 1n);
  assert.equal(watchers.lagging(10).count, 2, "the old revision says nothing of the new one");
  watchers.acknowledge(one, 2n);
  assert.deepEqual(
    watchers.lagging(10).watchers.map(({ peer }) => peer),
    [two.peerName],
  );
  assert.equal(watchers.lagging(0).count, 1);
  end();
});

test("an acknowledgement of a revision that was never sent, or of somebody who watches nothing, counts for nothing", () => {
  const { watchers, end } = start();
  const one = somebody();
  watchers.serve(new Stream(), one).catch(() => {});
  for (const revision of [2n, 1n << 63n]) watchers.acknowledge(one, revision);
  watchers.acknowledge(somebody(), 1n);
  assert.deepEqual(watchers.lagging(10).watchers[0]?.acknowledged, 0n);
  end();
});

test("who has gone lags no more", () => {
  const { watchers, end } = start();
  const stream = new Stream();
  watchers.serve(stream, somebody()).catch(() => {});
  stream.emit("close");
  assert.equal(watchers.lagging(10).count, 0);
  end();
});

test("every stream of a connection is acknowledged by its client", () => {
  const { watchers, change, end } = start();
  const one = somebody();
  watchers.serve(new Stream(), one).catch(() => {});
  watchers.serve(new Stream(), one).catch(() => {});
  change(2n);
  watchers.acknowledge(one, 2n);
  assert.equal(watchers.lagging(10).count, 0);
  end();
});

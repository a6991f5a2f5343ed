// WatchTrust for many: snapshot first, deltas once for all, heartbeats, and nothing that grows for a watcher that does not read.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { mock, test } from "node:test";
import type { ApiError } from "../../../src/identity-api/api-error.ts";
import type { CurrentTrust, TrustFeed, TrustListener } from "../../../src/identity-api/grpc/trust-feed.ts";
import {
  HEARTBEAT_MS,
  serializeWatchResponse,
  TrustWatchers,
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

function start(maxWatchers = 10) {
  mock.timers.enable({ apis: ["setInterval"] });
  const { feed, change } = fakeFeed();
  let now = 0;
  const watchers = new TrustWatchers({ feed, maxWatchers, metrics: silentMetrics, monotonicMs: () => now });
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
  watchers.serve(stream, {}).catch(() => {});
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
  watchers.serve(one, {}).catch(() => {});
  watchers.serve(two, {}).catch(() => {});
  change(2n, TrustDelta.fromPartial({ sequence: 2n }));
  const [first, second] = [one.got[1], two.got[1]];
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(serializeWatchResponse(first), serializeWatchResponse(second));
  end();
});

test("heartbeats of many watchers are spread over the interval", () => {
  const { watchers, tick, end } = start(100);
  const streams = Array.from({ length: 40 }, () => new Stream());
  for (const stream of streams) watchers.serve(stream, {}).catch(() => {});
  tick(250);
  assert.equal(streams.filter((stream) => stream.got.length === 2).length, 2);
  tick(HEARTBEAT_MS - 250);
  assert.ok(streams.every((stream) => stream.got.length === 2));
  end();
});

test("a watcher that does not read gets nothing more, and one snapshot when it reads again", () => {
  const { watchers, change, tick, end } = start();
  const stream = new Stream();
  watchers.serve(stream, {}).catch(() => {});
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
  const served = watchers.serve(stream, {});
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
  const served = watchers.serve(first, {});
  await assert.rejects(watchers.serve(new Stream(), {}), { code: "MCA_OVERLOADED" });
  first.emit("close");
  await served;
  watchers.serve(new Stream(), {}).catch(() => {});
  assert.equal(watchers.size, 1);
  end();
});

test("closing ends every stream with a code that brings callers back", async () => {
  const { watchers, end } = start();
  const served = watchers.serve(new Stream(), {});
  end();
  await assert.rejects(served, { code: "MCA_SHUTTING_DOWN" });
  await assert.rejects(watchers.serve(new Stream(), {}), { code: "MCA_SHUTTING_DOWN" });
});

test("one connection has a hundredth of all streams and at least sixteen, so that it takes nobody else's places", async () => {
  const { watchers, end } = start(1_000);
  const peer = {};
  const streams = Array.from({ length: 16 }, () => new Stream());
  const served = streams.map((stream) => watchers.serve(stream, peer));
  await assert.rejects(watchers.serve(new Stream(), peer), { code: "MCA_OVERLOADED" });
  watchers.serve(new Stream(), {}).catch(() => {});
  streams[0]?.emit("close");
  await served[0];
  watchers.serve(new Stream(), peer).catch(() => {});
  assert.equal(watchers.size, 17);
  for (const promise of served) promise.catch(() => {});
  end();
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { DeadlineWheel } from "../../../src/proxy-tls/http/deadlines.ts";
import type {
  ClientEvents,
  ClientExchange,
  HttpClientConnection,
  RequestHead,
} from "../../../src/proxy-tls/http/exchange.ts";
import type { ProxyPeer } from "../../../src/proxy-tls/identity/peer.ts";
import { PeerVerifier } from "../../../src/proxy-tls/identity/peer-verifier.ts";
import type { ObservedEvent } from "../../../src/proxy-tls/observe/records.ts";
import { type ConnectionHooks, type PoolOptions, UpstreamPool } from "../../../src/proxy-tls/upstream/pool.ts";
import type {
  AcquireOptions,
  Acquisition,
  ConnectFailure,
  PooledConnection,
} from "../../../src/proxy-tls/upstream/pooled.ts";
import { until } from "../../tls/support/endpoints.ts";
import { TestDomain, TestState } from "../support/state.ts";

/** A connection whose exchanges a test ends by hand. */
class Connection implements HttpClientConnection {
  readonly protocol: "http/1.1" | "h2";
  readonly target: string;
  readonly #hooks: ConnectionHooks;
  readonly #streams: number;
  active = 0;
  draining = false;
  closed = false;

  constructor(target: string, hooks: ConnectionHooks, streams: number) {
    this.protocol = streams === 1 ? "http/1.1" : "h2";
    this.target = target;
    this.#hooks = hooks;
    this.#streams = streams;
  }

  get capacity(): number {
    return this.draining || this.closed ? 0 : this.#streams - this.active;
  }

  request(_head: RequestHead, _events: ClientEvents): ClientExchange {
    throw new TypeError("the test begins exchanges by itself");
  }

  begin(): void {
    assert.ok(this.capacity > 0, "handed out without room");
    this.active += 1;
  }

  finish(): void {
    this.active -= 1;
    if (this.draining && this.active === 0) this.close();
    else this.#hooks.onIdle();
  }

  drain(): void {
    this.draining = true;
    if (this.active === 0) this.close();
  }

  destroy(): void {
    this.close();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#hooks.onClosed();
  }
}

interface Got {
  readonly connections: Connection[];
  readonly failures: ConnectFailure[];
}

function world(options: Partial<PoolOptions> & { readonly streams?: number; readonly peer?: () => ProxyPeer } = {}) {
  const domain = new TestDomain("example.test");
  const state = new TestState("spiffe://example.test/proxy", domain.identity("/proxy"), [domain.trust()]);
  const wheel = new DeadlineWheel({ onFault: assert.ifError });
  const made: Connection[] = [];
  const counted: ObservedEvent[] = [];
  const time = { now: Date.now() };
  const pool = new UpstreamPool({
    targets: ["a"],
    connect: async (target, hooks): Promise<PooledConnection> => {
      const connection = new Connection(target, hooks, options.streams ?? 1);
      made.push(connection);
      return { connection, target, peer: options.peer?.() };
    },
    state,
    verify: () => {},
    now: () => time.now,
    maxConnections: 10,
    maxPending: 10,
    idleMs: 60_000,
    wheel,
    count: (event) => counted.push(event),
    onFault: assert.ifError,
    ...options,
  });
  const ask = (bucket = "p", how?: AcquireOptions): Got & { acquisition: Acquisition } => {
    const got: Got = { connections: [], failures: [] };
    const acquisition = pool.acquire(
      bucket,
      {
        connected: ({ connection }) => {
          assert.ok(connection instanceof Connection);
          connection.begin();
          got.connections.push(connection);
        },
        failed: (failure) => got.failures.push(failure),
      },
      how,
    );
    return { ...got, acquisition };
  };
  return { pool, made, counted, state, wheel, time, ask };
}

async function turns(count = 6): Promise<void> {
  for (let i = 0; i < count; i += 1) await turn();
}

test("a connection is used again by the same principal, and by no other", async () => {
  const { ask, made, wheel } = world();
  const first = ask("alice");
  await turns();
  first.connections[0]?.finish();
  const second = ask("alice");
  const other = ask("mallory");
  await turns();
  wheel.close();
  assert.equal(second.connections[0], first.connections[0]);
  assert.notEqual(other.connections[0], first.connections[0]);
  assert.equal(made.length, 2);
});

test("a connection that ends in the turn in which it was asked for is not handed out", async () => {
  const { ask, made, wheel } = world();
  const first = ask();
  await turns();
  first.connections[0]?.finish();
  const second = ask();
  // What the poison does: bytes that nobody asked for are read in the same turn.
  first.connections[0]?.close();
  await turns();
  wheel.close();
  assert.equal(second.connections.length, 1);
  assert.notEqual(second.connections[0], first.connections[0]);
  assert.equal(made.length, 2);
});

test("nothing is handed out within acquire, nor while a connection that has just become free is still in its turn", async () => {
  const { ask, wheel } = world({ maxConnections: 1 });
  const first = ask();
  assert.equal(first.connections.length, 0);
  await turns();
  const second = ask();
  await turns();
  assert.equal(second.connections.length, 0, "the only connection is busy");
  first.connections[0]?.finish();
  assert.equal(second.connections.length, 0, "not in the turn in which it became free");
  await turns();
  wheel.close();
  assert.equal(second.connections[0], first.connections[0]);
});

test("a connection that has just become free is handed out when its target could be heard once more, and not before", async () => {
  const { ask, wheel } = world({ maxConnections: 1 });
  const first = ask();
  await turns();
  const [waiting] = [ask(), await turn()];
  first.connections[0]?.finish();
  const asked = ask();
  await turn();
  assert.equal(waiting.connections.length, 0);
  await turn();
  assert.equal(waiting.connections.length, 1);
  waiting.connections[0]?.finish();
  await turns();
  asked.connections[0]?.finish();
  await turns();
  const later = ask();
  await turn();
  assert.equal(later.connections.length, 1, "it has rested before it was asked for");
  wheel.close();
});

test("what a target sends in that time ends the connection, and who waits gets another one", async () => {
  const { ask, wheel } = world({ maxConnections: 1 });
  const first = ask();
  await turns();
  const waiting = ask();
  await turns();
  first.connections[0]?.finish();
  await turn();
  first.connections[0]?.close();
  await turns();
  wheel.close();
  assert.equal(waiting.connections.length, 1);
  assert.notEqual(waiting.connections[0], first.connections[0]);
});

test("bytes behind an answer are nobody's in HTTP/2, whose connections do not rest", async () => {
  const { ask, wheel } = world({ streams: 2 });
  const first = ask();
  await turns();
  first.connections[0]?.finish();
  const second = ask();
  await turn();
  wheel.close();
  assert.equal(second.connections[0], first.connections[0]);
});

test("a request that must not meet an old connection gets a new one, at another target", async () => {
  const { ask, wheel } = world({ targets: ["a", "b"] });
  const first = ask();
  await turns();
  const target = first.connections[0]?.target;
  first.connections[0]?.finish();
  for (let i = 0; i < 4; i += 1) {
    const again = ask("p", { fresh: true, avoid: target });
    await turns();
    assert.notEqual(again.connections[0], first.connections[0]);
    assert.notEqual(again.connections[0]?.target, target);
  }
  wheel.close();
});

test("our own new certificate drains the connections that show the old one", async () => {
  const { ask, state, pool, wheel } = world();
  const idle = ask("idle");
  const busy = ask("busy");
  await turns();
  idle.connections[0]?.finish();
  state.set({ identity: new TestDomain("example.test").identity("/proxy") });
  pool.reconsider();
  assert.equal(idle.connections[0]?.closed, true, "idle: at once");
  assert.equal(busy.connections[0]?.closed, false, "busy: it lives on");
  busy.connections[0]?.finish();
  const next = ask("busy");
  await turns();
  wheel.close();
  assert.notEqual(next.connections[0], busy.connections[0]);
});

test("our own new certificate while a connection is made: another one is made, and nobody is told of a failure", async () => {
  const domain = new TestDomain("example.test");
  let rotations = 3;
  const { ask, state, made, wheel } = world({
    peer: () => {
      if (rotations-- > 0) state.set({ identity: domain.identity("/proxy") });
      return { notAfter: Number.MAX_SAFE_INTEGER } as unknown as ProxyPeer;
    },
  });
  const [one, other] = [ask(), ask()];
  await turns(20);
  wheel.close();
  assert.deepEqual([...one.failures, ...other.failures], []);
  assert.equal(one.connections.length + other.connections.length, 2);
  assert.equal(made.filter(({ closed }) => !closed).length, 2, "those that show an old one are closed");
});

test("a peer that is no longer trusted loses its connections, busy ones too; one that has expired is not asked again", async () => {
  const domain = new TestDomain("example.test");
  const start = Date.now();
  let lives = 60_000;
  const peer = (): ProxyPeer => ({ notAfter: start + lives }) as unknown as ProxyPeer;
  let trusted = true;
  const verify = (): void => {
    if (!trusted) throw new Error("revoked");
  };
  const { ask, state, pool, time, counted, wheel } = world({ peer, verify });
  const first = ask();
  await turns();
  state.set({ peers: new PeerVerifier([domain.trust()]) });
  pool.reconsider();
  assert.equal(first.connections[0]?.closed, false, "verified again");
  first.connections[0]?.finish();
  time.now = start + 60_000;
  lives = 120_000;
  const second = ask();
  await turns();
  assert.notEqual(second.connections[0], first.connections[0]);
  trusted = false;
  state.set({ peers: new PeerVerifier([domain.trust()]) });
  pool.reconsider();
  wheel.close();
  assert.equal(second.connections[0]?.closed, true);
  assert.ok(counted.includes("connection-reevaluated"));
});

test("an HTTP/2 connection carries as many as it has room for; who waits for it needs no other", async () => {
  const { ask, wheel } = world({ streams: 3 });
  const first = ask();
  await turns();
  const [a, b, c] = [ask(), ask(), ask()];
  await turns();
  wheel.close();
  assert.equal(a.connections[0], first.connections[0]);
  assert.equal(b.connections[0], first.connections[0]);
  assert.notEqual(c.connections[0], first.connections[0]);
});

test("a target that cannot be reached is told to each who waits, and the next request tries again", async () => {
  let down = true;
  const error = new Error("refused");
  const { ask, pool, wheel } = world({
    connect: async (target, hooks) => {
      if (down) throw error;
      return { connection: new Connection(target, hooks, 1), target, peer: undefined };
    },
  });
  const [first, second] = [ask(), ask()];
  await turns();
  assert.deepEqual(first.failures, [{ kind: "connect-failed", target: "a", error }]);
  assert.deepEqual(second.failures, [{ kind: "connect-failed", target: "a", error }]);
  assert.equal(pool.size, 0);
  down = false;
  const third = ask();
  await turns();
  wheel.close();
  assert.equal(third.connections.length, 1);
});

test("a connection that has closed before it was there is a failure, and takes no place", async () => {
  const { ask, pool, wheel } = world({
    connect: async (target, hooks) => {
      const connection = new Connection(target, hooks, 1);
      connection.close();
      return { connection, target, peer: undefined };
    },
  });
  const first = ask();
  await turns();
  wheel.close();
  assert.equal(first.failures[0]?.kind, "connect-failed");
  assert.equal(pool.size, 0);
});

test("an idle connection ends when its time is over, and not while it is used", async () => {
  const { ask, wheel } = world({ idleMs: 60 });
  const [idle, busy] = [ask("idle"), ask("busy")];
  await turns();
  busy.connections[0]?.finish();
  const again = ask("busy");
  await turns();
  idle.connections[0]?.finish();
  await until(() => idle.connections[0]?.closed === true, "its end");
  assert.equal(again.connections[0], busy.connections[0]);
  assert.equal(busy.connections[0]?.draining, false);
  wheel.close();
});

test("a target whose certificate is over when the connection is there is a failure, not a reason to connect for ever", async () => {
  const { ask, made, wheel } = world({ peer: () => ({ notAfter: 0 }) as unknown as ProxyPeer });
  const first = ask();
  await turns();
  wheel.close();
  assert.equal(first.failures[0]?.kind, "connect-failed");
  assert.equal(made.length, 1);
});

test("limits: too many who wait are refused at once, and an idle connection makes room for another principal", async () => {
  const { ask, counted, wheel } = world({ maxConnections: 2, maxPending: 1 });
  const [a, b] = [ask("a"), undefined];
  await turns();
  assert.equal(b, undefined);
  const second = ask("b");
  await turns();
  const waiting = ask("b");
  await turns();
  const refused = ask("b");
  await turns();
  assert.deepEqual(refused.failures, [{ kind: "limit" }]);
  assert.ok(counted.includes("pending-limit"));
  second.connections[0]?.finish();
  await turns();
  assert.equal(waiting.connections[0], second.connections[0]);
  a.connections[0]?.finish();
  const third = ask("c");
  await turns();
  wheel.close();
  assert.equal(third.connections.length, 1);
  assert.equal(a.connections[0]?.closed, true, "the idle one made room");
});

test("who needs a new connection, where there is no room for one, is told at once: an old one that becomes free is none for him", async () => {
  const { ask, wheel } = world({ maxConnections: 1, streams: 2 });
  const first = ask();
  await turns();
  const again = ask("p", { fresh: true, avoid: "a" });
  await turns();
  wheel.close();
  assert.equal(first.connections.length, 1);
  assert.deepEqual(again.failures, [{ kind: "limit" }]);
});

test("a fault of who was given a connection ends that, and he is told that it failed", async () => {
  const faults: unknown[] = [];
  const { pool, made, wheel } = world({ onFault: (error) => faults.push(error) });
  const failures: ConnectFailure[] = [];
  const error = new TypeError("a bug");
  pool.acquire("p", {
    connected() {
      throw error;
    },
    failed: (failure) => failures.push(failure),
  });
  await turns();
  wheel.close();
  assert.deepEqual(failures, [{ kind: "connect-failed", target: "a", error }]);
  assert.deepEqual(faults, [error]);
  assert.equal(made[0]?.closed, true);
});

test("a request that was withdrawn gets nothing, and its connection serves another", async () => {
  const { ask, made, wheel } = world();
  const first = ask();
  first.acquisition.cancel();
  await turns();
  assert.equal(made.length, 0);
  const second = ask();
  await turn();
  second.acquisition.cancel();
  await turns();
  const third = ask();
  await turns();
  wheel.close();
  assert.deepEqual([first.connections.length, second.connections.length], [0, 0]);
  assert.equal(third.connections.length, 1);
});

test("closing ends every connection and tells who waits", async () => {
  const { ask, pool, wheel } = world({ maxConnections: 1 });
  const first = ask();
  await turns();
  const second = ask();
  await turns();
  pool.close();
  await turns();
  wheel.close();
  assert.equal(first.connections[0]?.closed, true);
  assert.equal(second.failures.length, 1);
  assert.equal(pool.size, 0);
});

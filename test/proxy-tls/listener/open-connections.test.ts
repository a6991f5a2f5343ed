// The registry of open connections: each is judged by what it was not judged by yet, and one that fails keeps nobody else from it.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ProxyPeer } from "../../../src/proxy-tls/identity/peer.ts";
import { PeerVerifier } from "../../../src/proxy-tls/identity/peer-verifier.ts";
import { type OpenConnection, OpenConnections } from "../../../src/proxy-tls/listener/open-connections.ts";
import { parsePolicies } from "../../../src/proxy-tls/policy/parse.ts";
import { decodePem, parseCertificate } from "../../../src/x509/index.ts";
import { MovableClock, until } from "../../tls/support/endpoints.ts";
import { world } from "../support/proxy.ts";
import { TestState } from "../support/state.ts";

const NOBODY = [world.trust({ authorities: [] })];
const POLICIES = parsePolicies({ policies: [] });

class Counting extends PeerVerifier {
  verified = 0;
  override verify(...given: Parameters<PeerVerifier["verify"]>): ProxyPeer {
    this.verified += 1;
    return super.verify(...given);
  }
}

/** Remembers what it is told, and fails at what it is made to fail at. */
class Connection implements OpenConnection {
  readonly peer: ProxyPeer | undefined;
  trustRevision: number;
  policyRevision: number;
  readonly told: string[] = [];
  readonly #fails: boolean;

  constructor(state: TestState, { peer, fails = false }: { peer?: ProxyPeer; fails?: boolean } = {}) {
    const { trustRevision, policyRevision } = state.current();
    this.peer = peer;
    this.trustRevision = trustRevision;
    this.policyRevision = policyRevision;
    this.#fails = fails;
  }

  endUntrusted = (): void => this.#tell("untrusted");
  reconsider = (): void => this.#tell("reconsider");
  drain = (): void => this.#tell("drain");
  endDrained = (): void => this.#tell("end");
  sweep = (): void => {
    if (!this.told.includes("sweep")) this.#tell("sweep");
  };

  #tell(what: string): void {
    this.told.push(what);
    if (this.#fails) throw new Error(`fails at ${what}`);
  }
}

/** Long enough for all of a round on any machine. */
const WHOLE_ROUND_MS = 60_000;
/** The slowest connections of these tests take longer. */
const SLICE_MS = 4;

function given(t: TestContext, { sweepMs = 60_000, sliceMs = WHOLE_ROUND_MS } = {}) {
  const state = new TestState("spiffe://example.test/proxy", world.identity("/proxy"), [world.trust()]);
  const faults: string[] = [];
  const clock = new MovableClock();
  const onFault = (error: unknown): void => void faults.push(error instanceof Error ? error.message : String(error));
  const open = new OpenConnections({ state, clock, sweepMs, sliceMs, onFault });
  t.after(() => open.close());
  const chain = decodePem(world.identity("/client").certificateChainPem).map(({ der }) => parseCertificate(der));
  const peer = (): ProxyPeer => state.current().peers.verify(chain, clock.now());
  return { state, open, faults, clock, peer };
}

test("one that fails at what it is told is a fault of ours, and everybody else is told all the same", async (t) => {
  const { state, open, faults, peer } = given(t, { sweepMs: 10 });
  const [bad, good] = [new Connection(state, { fails: true, peer: peer() }), new Connection(state, { peer: peer() })];
  open.add(bad);
  open.add(good);
  await until(() => good.told.length > 0, "the sweep");
  assert.deepEqual(faults, ["fails at sweep"]);
  state.set({ policies: POLICIES });
  state.set({ peers: new PeerVerifier(NOBODY) });
  open.drain();
  open.endDrained();
  assert.deepEqual(good.told, ["sweep", "reconsider", "untrusted", "drain", "end"]);
  assert.deepEqual(bad.told, good.told);
  assert.deepEqual(
    faults,
    good.told.map((what) => `fails at ${what}`),
  );
});

test("what has changed since a connection was judged counts when it is added", (t) => {
  const { state, open, peer } = given(t);
  const before = [new Connection(state, { peer: peer() }), new Connection(state)] as const;
  state.set({ policies: POLICIES });
  for (const connection of before) open.add(connection);
  assert.deepEqual(before[0].told, ["reconsider"]);
  assert.deepEqual(before[1].told, ["reconsider"]);
  const revoked = new Connection(state, { peer: peer() });
  state.set({ peers: new PeerVerifier(NOBODY), policies: POLICIES });
  open.add(revoked);
  assert.deepEqual(revoked.told, ["untrusted"], "and what ends it is told alone");
  const fresh = new Connection(state);
  open.add(fresh);
  assert.deepEqual(fresh.told, [], "nothing has changed for it");
  assert.deepEqual([revoked.trustRevision, fresh.trustRevision], [2, 2]);
});

test("a peer is verified once for all its connections in a round, and again in the next", (t) => {
  const { state, open, peer } = given(t);
  const one = peer();
  const connections = Array.from({ length: 5 }, () => new Connection(state, { peer: one }));
  for (const connection of connections) open.add(connection);
  for (let round = 0; round < 2; round += 1) {
    const counting = new Counting([world.trust()]);
    state.set({ peers: counting });
    assert.equal(counting.verified, 1);
  }
  state.set({ peers: new PeerVerifier(NOBODY) });
  assert.deepEqual(
    connections.map(({ told }) => told),
    Array(5).fill(["untrusted"]),
  );
});

test("a verifier that fails by a fault of ours trusts nobody, and the fault is told", (t) => {
  const { state, open, faults, peer } = given(t);
  const connection = new Connection(state, { peer: peer() });
  open.add(connection);
  class Broken extends PeerVerifier {
    override verify(): ProxyPeer {
      throw new TypeError("a fault");
    }
  }
  state.set({ peers: new Broken([]) });
  assert.deepEqual(connection.told, ["untrusted"]);
  assert.deepEqual(faults, ["a fault"]);
});

/** Connections that take longer than a slice each. */
function slowOnes(state: TestState, open: OpenConnections, peer?: ProxyPeer): Connection[] {
  return Array.from({ length: 4 }, () => {
    const connection = new Connection(state, peer === undefined ? {} : { peer });
    const { reconsider } = connection;
    connection.reconsider = () => {
      reconsider();
      const end = performance.now() + 6;
      while (performance.now() < end);
    };
    open.add(connection);
    return connection;
  });
}

const told = (connections: readonly Connection[]): number[] => connections.map((connection) => connection.told.length);

test("a round that takes long lets others have their turn, and a change meanwhile reaches everybody", async (t) => {
  const { state, open } = given(t, { sliceMs: SLICE_MS });
  const slow = slowOnes(state, open);
  state.set({ policies: POLICIES });
  assert.deepEqual(told(slow), [1, 0, 0, 0], "the first slice");
  state.set({ policies: POLICIES });
  assert.deepEqual(told(slow), [1, 0, 0, 0], "whoever changes something does not wait for it");
  await until(() => slow.every(({ policyRevision }) => policyRevision === 3), "the round is over");
  assert.deepEqual(told(slow), [2, 1, 1, 1]);
});

test("a verdict counts for the trust that it was found by, and no longer than its round", async (t) => {
  const { state, open, peer } = given(t, { sliceMs: SLICE_MS });
  const slow = slowOnes(state, open, peer());
  state.set({ peers: new PeerVerifier([world.trust()]), policies: POLICIES });
  assert.deepEqual(told(slow), [1, 0, 0, 0], "the first is still trusted");
  state.set({ peers: new PeerVerifier(NOBODY) });
  await until(() => slow.every((connection) => connection.told.at(-1) === "untrusted"), "nobody is trusted any more");

  const other = given(t, { sliceMs: SLICE_MS });
  const one = other.peer();
  const late = [0, 1].map(() => new Connection(other.state, { peer: one }));
  const counting = new Counting([world.trust()]);
  other.state.set({ peers: counting });
  for (const connection of late) other.open.add(connection);
  assert.equal(counting.verified, 2, "no peer is kept for a next connection");
});

test("a registry that is closed in the middle of a round leaves the rest", async (t) => {
  const { state, open } = given(t, { sliceMs: SLICE_MS });
  const slow = slowOnes(state, open);
  state.set({ policies: POLICIES });
  open.close();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(told(slow), [1, 0, 0, 0]);
});

test("what has left, and a registry that is closed, hear of nothing", async (t) => {
  const { state, open } = given(t, { sweepMs: 5 });
  const [left, kept] = [new Connection(state), new Connection(state)];
  open.add(left);
  open.add(kept);
  assert.equal(open.size, 2);
  open.delete(left);
  state.set({ policies: POLICIES });
  open.close();
  kept.told.length = 0;
  state.set({ policies: POLICIES });
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual([left.told, kept.told], [[], []]);
});

// Who gets a place among the handshakes in progress, and who must give one up. No sockets and no clock: only the rule.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HandshakeAdmission } from "../../src/tls/handshake-admission.ts";

class Peer {
  evicted = false;
  spoken: boolean;
  constructor(spoken = false) {
    this.spoken = spoken;
  }
  hasSpoken(): boolean {
    return this.spoken;
  }
  evict(): void {
    this.evicted = true;
  }
}

const admission = (maxHandshakes: number, maxHandshakesPerSender = maxHandshakes): HandshakeAdmission =>
  new HandshakeAdmission({ maxHandshakes, maxHandshakesPerSender });

test("places are given until there are none left, and given back once", () => {
  const places = admission(2);
  const first = places.admit("a", new Peer(), 0);
  assert.ok(first);
  assert.ok(places.admit("a", new Peer(), 0));
  assert.equal(places.admit("a", new Peer(), 0), undefined);
  first();
  first();
  assert.equal(places.size, 1);
  assert.ok(places.admit("a", new Peer(), 0));
  assert.equal(places.size, 2);
});

test("one that has been silent for 250 ms makes room; before that the newcomer is refused", () => {
  const places = admission(1);
  const silent = new Peer();
  places.admit("a", silent, 0);
  assert.equal(places.admit("b", new Peer(), 249), undefined);
  assert.equal(silent.evicted, false);
  assert.ok(places.admit("b", new Peer(), 250));
  assert.equal(silent.evicted, true);
  assert.equal(places.size, 1);
});

test("one that has spoken keeps its place for 2 s, while a silent one behind it makes room", () => {
  const places = admission(2);
  const [honest, silent] = [new Peer(true), new Peer()];
  places.admit("a", honest, 0);
  places.admit("b", silent, 0);
  assert.ok(places.admit("c", new Peer(true), 300));
  assert.deepEqual([honest.evicted, silent.evicted], [false, true]);
  assert.equal(places.admit("d", new Peer(), 1_999), undefined);
  assert.ok(places.admit("d", new Peer(), 2_000));
  assert.equal(honest.evicted, true);
});

test("a sender at its own bound gives up a place of its own, never another's", () => {
  const places = admission(10, 2);
  const [other, one, two] = [new Peer(), new Peer(), new Peer()];
  places.admit("b", other, 0);
  places.admit("a", one, 0);
  places.admit("a", two, 0);
  assert.ok(places.admit("a", new Peer(), 500));
  assert.deepEqual([other.evicted, one.evicted, two.evicted], [false, true, false]);
});

test("a sender whose last place was taken from it still gets one", () => {
  const places = admission(1, 1);
  places.admit("a", new Peer(), 0);
  assert.ok(places.admit("a", new Peer(), 500));
  assert.equal(places.size, 1);
  assert.equal(places.admit("a", new Peer(), 500), undefined);
});

test("whatever happens, the bounds hold and nobody is evicted twice", () => {
  const event = fc.record({
    sender: fc.constantFrom("a", "b", "c"),
    afterMs: fc.nat({ max: 400 }),
    spoken: fc.boolean(),
    release: fc.option(fc.nat({ max: 20 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const places = admission(5, 3);
      const held: { peer: Peer; sender: string; giveBack: () => void; given: boolean }[] = [];
      let now = 0;
      for (const { sender, afterMs, spoken, release } of events) {
        now += afterMs;
        const leaving = release === undefined ? undefined : held[release];
        if (leaving !== undefined) {
          leaving.giveBack();
          leaving.given = true;
        }
        const peer = new Peer(spoken);
        const giveBack = places.admit(sender, peer, now);
        if (giveBack !== undefined) held.push({ peer, sender, giveBack, given: false });
        const present = held.filter((entry) => !entry.given && !entry.peer.evicted);
        assert.equal(places.size, present.length);
        assert.ok(present.length <= 5);
        for (const name of ["a", "b", "c"]) assert.ok(present.filter((entry) => entry.sender === name).length <= 3);
      }
    }),
  );
});

test("for one newcomer only the 32 oldest are looked at", () => {
  for (const [talking, admitted] of [
    [32, false],
    [31, true],
  ] as const) {
    const places = admission(33);
    for (let n = 0; n < talking; n++) places.admit(`s${n}`, new Peer(true), 0);
    for (let n = talking; n < 33; n++) places.admit(`s${n}`, new Peer(), 0);
    assert.equal(places.admit("new", new Peer(), 300) !== undefined, admitted, `${talking}`);
  }
});

// What a source makes of a tainted authority: its holders renew within the spread, once, also after a restart; others are left alone.
// And: it says which revision of trust it has taken over, and a server that does not know that is harmless.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SvidSource } from "../../src/identity-client/index.ts";
import { PublishedAuthority_State as State, type TrustDelta } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { fromHex, sha256 } from "../../src/x509/index.ts";
import type { TestCertificate } from "../support/pki.ts";
import { FaultyServer, pinOf } from "./faulty-server.ts";
import { createAuthority, eventually, ManualClock, temporaryDirectory } from "./helpers.ts";

const authority = createAuthority();
const successor = createAuthority("Authority 2");
const SPREAD_SECONDS = 60;

function published(certificate: TestCertificate, state: State = State.STATE_ACTIVE) {
  return {
    certificate: certificate.der,
    spkiSha256: sha256(certificate.certificate.publicKey.spki),
    state,
    intermediates: [],
    renewSpreadSeconds: state === State.STATE_TAINTED ? SPREAD_SECONDS : 0,
  };
}

function delta(changes: Partial<TrustDelta>): TrustDelta {
  return {
    anchorsAdded: [],
    anchorsRemovedSha256: [],
    authoritiesPut: [],
    authoritiesRemovedSpkiSha256: [],
    distrustedAddedSpkiSha256: [],
    revocationsAdded: [],
    sequence: 2n,
    renewNow: undefined,
    ...changes,
  };
}

/** Remembers for when it was asked. */
class RecordingClock extends ManualClock {
  readonly asked: number[] = [];

  override at(unixMs: number, callback: () => void): () => void {
    this.asked.push(unixMs);
    return super.at(unixMs, callback);
  }
}

async function start(t: TestContext, stateDir?: string) {
  const clock = new RecordingClock();
  const server = await FaultyServer.start({ authority, now: () => clock.now() });
  t.after(() => server.stop());
  const open = async (others = 0): Promise<SvidSource> => {
    const source = await SvidSource.start({
      joinToken: { text: server.token() },
      ...(stateDir === undefined ? { memoryOnly: true } : { stateDir }),
      clock,
      callTimeoutMs: 2_000,
    });
    t.after(() => source.close());
    // The stream by which the enrolment learned its trust has ended, and its own has begun.
    await eventually("the stream is open", () => server.watchers === others + 1);
    return source;
  };
  return { server, clock, open };
}

test("Holders of a certificate by an authority that becomes tainted renew within the spread, and once", async (t) => {
  const { server, clock, open } = await start(t);
  const source = await open();
  const { serial } = source.current();
  const taint = (revision: bigint): void => {
    const value = delta({ sequence: revision, authoritiesPut: [published(authority, State.STATE_TAINTED)] });
    server.push({ revision, update: { $case: "delta", value } });
  };
  taint(2n);
  await eventually("told", () => source.trust().sequence === 2n);
  await sleep(50);
  assert.equal(server.requests.length, 1, "not all at once");
  clock.advance(SPREAD_SECONDS * 1_000 + 1);
  await eventually("renewed", () => source.current().serial !== serial);
  // The answer came from the tainted authority again, as from a replica that lags behind, and it is told again and again.
  for (let revision = 3n; revision < 10n; revision++) {
    taint(revision);
    await eventually("told", () => source.trust().sequence === revision);
    clock.advance(SPREAD_SECONDS * 1_000 + 1);
    await sleep(10);
  }
  assert.equal(server.requests.length, 2);
});

test("Others than the holders are not disturbed by a tainted authority", async (t) => {
  const { server, clock, open } = await start(t);
  const source = await open();
  const value = delta({ anchorsAdded: [successor.der], authoritiesPut: [published(successor, State.STATE_TAINTED)] });
  server.push({ revision: 2n, update: { $case: "delta", value } });
  await eventually("told", () => source.trust().sequence === 2n);
  clock.advance(SPREAD_SECONDS * 1_000 + 1);
  await sleep(50);
  assert.equal(server.requests.length, 1);
});

test("A source that comes back from its state directory finds its authority tainted, and renews", async (t) => {
  const { server, clock, open } = await start(t, temporaryDirectory());
  const first = await open();
  const { serial } = first.current();
  await first.close();
  await eventually("gone", () => server.watchers === 0);
  server.sequence = 2n;
  server.alterTrust = (snapshot) => ({
    ...snapshot,
    anchors: [...snapshot.anchors, successor.der],
    authorities: [published(authority, State.STATE_TAINTED), published(successor)],
  });
  const source = await open();
  await eventually("told", () => source.trust().sequence === 2n);
  await sleep(50);
  assert.equal(server.requests.length, 1);
  clock.advance(SPREAD_SECONDS * 1_000 + 1);
  await eventually("renewed", () => source.current().serial !== serial);
});

test("The moments of many holders are drawn from the whole spread", async (t) => {
  const { server, clock, open } = await start(t);
  const sources: SvidSource[] = [];
  for (let i = 0; i < 12; i++) sources.push(await open(i));
  await eventually("each has a renewal and an acknowledgement before it", () => clock.waiting === 2 * sources.length);
  const value = delta({ authoritiesPut: [published(authority, State.STATE_TAINTED)] });
  clock.asked.length = 0;
  server.push({ revision: 2n, update: { $case: "delta", value } });
  await eventually("told", () => sources.every((source) => source.trust().sequence === 2n));
  const drawn = clock.asked.map((unixMs) => (unixMs - clock.now()) / 1_000);
  assert.equal(drawn.length, sources.length);
  assert.ok(Math.max(...drawn) - Math.min(...drawn) > SPREAD_SECONDS / 4, `all within ${drawn.join(", ")}`);
  const middle = (Math.max(...drawn) + Math.min(...drawn)) / 2;
  const early = drawn.filter((seconds) => seconds <= middle).length;
  clock.advance(middle * 1_000);
  await eventually("the early ones have renewed", () => server.requests.length === sources.length + early);
  clock.advance(SPREAD_SECONDS * 1_000);
  await eventually("all have renewed", () => server.requests.length === 2 * sources.length);
});

test("An authority that is distrusted while its holders still wait for their moment makes them hurry", async (t) => {
  const { server, clock, open } = await start(t);
  const source = await open();
  const { serial } = source.current();
  const long = { ...published(authority, State.STATE_TAINTED), renewSpreadSeconds: 100_000 };
  server.push({ revision: 2n, update: { $case: "delta", value: delta({ authoritiesPut: [long] }) } });
  await eventually("told", () => source.trust().sequence === 2n);
  const revocationsAdded = [{ target: { $case: "serial" as const, value: fromHex(serial) } }];
  server.push({ revision: 3n, update: { $case: "delta", value: delta({ sequence: 3n, revocationsAdded }) } });
  await eventually("told", () => source.trust().revocations.length === 1);
  clock.advance(5_001);
  await eventually("replaced", () => source.current().serial !== serial);
});

test("A source says which revision it has taken over: the snapshot's, each change's, and not what it left aside", async (t) => {
  const { server, clock, open } = await start(t);
  server.sequence = 7n;
  const source = await open();
  await eventually("the snapshot was read", () => source.trust().sequence === 7n);
  assert.deepEqual(server.acknowledged, [], "in a moment, not all at once");
  // The snapshot may come by the answer to the enrolment first, and by the stream a little later: time goes on until it was acknowledged.
  const acknowledged = (count: number): boolean => {
    clock.advance(1_001);
    return server.acknowledged.length === count;
  };
  await eventually("acknowledged", () => acknowledged(1));
  const value = delta({ sequence: 8n, anchorsAdded: [successor.der], authoritiesPut: [published(successor)] });
  server.push({ revision: 8n, update: { $case: "delta", value } });
  await eventually("told", () => source.trust().sequence === 8n);
  await eventually("acknowledged", () => acknowledged(2));
  assert.deepEqual(server.acknowledged, [7n, 8n]);
  // A replica that lags behind.
  server.sequence = 3n;
  server.pushSnapshot();
  await sleep(50);
  clock.advance(4_001);
  await sleep(50);
  assert.deepEqual(server.acknowledged, [7n, 8n]);
  assert.equal(pinOf(successor).length, 64);
});

test("An acknowledgement that fails is made again with the next heartbeat; a server that knows none is asked once", async (t) => {
  const { server, clock, open } = await start(t);
  server.acknowledge = "unavailable";
  await open();
  const beat = (): void => {
    server.push({ revision: 1n, update: { $case: "heartbeat", value: {} } });
    clock.advance(4_001);
  };
  const asked = (times: number): boolean => {
    beat();
    return server.acknowledged.length >= times;
  };
  await eventually("tried again", () => asked(2));
  server.acknowledge = "unimplemented";
  const last = server.acknowledged.length + 1;
  await eventually("tried once more", () => asked(last));
  for (let beats = 0; beats < 4; beats++) {
    beat();
    await sleep(15);
  }
  assert.equal(server.acknowledged.length, last);
  assert.equal(server.watchers, 1, "the stream goes on");
});

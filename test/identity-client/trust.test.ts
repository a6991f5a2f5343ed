// What a source makes of the trust that its server tells: changes, "renew now", revocations, streams that break, old stories.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SvidSource, type SvidSourceOptions } from "../../src/identity-client/index.ts";
import type { TrustSnapshot } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { fromHex, sha256 } from "../../src/x509/index.ts";
import { FaultyServer, pinOf } from "./faulty-server.ts";
import { createAuthority, eventually, ManualClock } from "./helpers.ts";

const authority = createAuthority();
const successor = createAuthority("Authority 2");

async function start(
  t: TestContext,
  options: Partial<SvidSourceOptions> = {},
): Promise<{ server: FaultyServer; source: SvidSource; clock: ManualClock }> {
  const clock = new ManualClock();
  const server = await FaultyServer.start({ authority, now: () => clock.now() });
  t.after(() => server.stop());
  const source = await SvidSource.start({
    joinToken: { text: server.token() },
    memoryOnly: true,
    clock,
    callTimeoutMs: 2_000,
    ...options,
  } as SvidSourceOptions);
  t.after(() => source.close());
  await eventually("the stream is open", () => server.watchers === 1);
  return { server, source, clock };
}

function published(certificate: typeof authority) {
  return {
    certificate: certificate.der,
    spkiSha256: sha256(certificate.certificate.publicKey.spki),
    state: 1 as const,
    intermediates: [],
    renewSpreadSeconds: 0,
  };
}

const noChange = {
  anchorsAdded: [],
  anchorsRemovedSha256: [],
  authoritiesPut: [],
  authoritiesRemovedSpkiSha256: [],
  distrustedAddedSpkiSha256: [],
  revocationsAdded: [],
  sequence: 2n,
  renewNow: undefined,
};

test("A change on the stream adds an authority, and a later one removes it", async (t) => {
  const { server, source } = await start(t);
  let changes = 0;
  source.onChange(() => {
    changes += 1;
  });
  const delta = { ...noChange, anchorsAdded: [successor.der], authoritiesPut: [published(successor)] };
  server.push({ revision: 2n, update: { $case: "delta", value: delta } });
  await eventually("two authorities", () => source.trust().authorities?.length === 2);
  assert.equal(source.trust().anchors.length, 2);
  const removal = {
    ...noChange,
    sequence: 3n,
    anchorsRemovedSha256: [fromHex(successor.certificate.sha256)],
    authoritiesRemovedSpkiSha256: [fromHex(pinOf(successor))],
  };
  server.push({ revision: 3n, update: { $case: "delta", value: removal } });
  await eventually("one authority", () => source.trust().authorities?.length === 1);
  assert.equal(source.trust().anchors.length, 1);
  assert.equal(changes, 2);
});

test("'Renew now' is obeyed once, within its spread, by those whose certificate the authority has signed", async (t) => {
  const { server, source, clock } = await start(t);
  const { serial } = source.current();
  const renewNow = (spki: string) => ({ authoritySpkiSha256: fromHex(spki), spreadSeconds: 60 });
  const push = (spki: string, sequence: bigint): void => {
    const delta = { ...noChange, sequence, renewNow: renewNow(spki) };
    server.push({ revision: sequence, update: { $case: "delta", value: delta } });
  };
  push(pinOf(successor), 2n);
  await eventually("told", () => source.trust().sequence === 2n);
  clock.advance(61_000);
  await sleep(50);
  assert.equal(source.current().serial, serial, "another authority's holders were meant");

  push(pinOf(authority), 3n);
  await eventually("told", () => source.trust().sequence === 3n);
  assert.equal(server.requests.length, 1, "not before its moment");
  clock.advance(61_000);
  await eventually("renewed", () => source.current().serial !== serial);
  // The answer came from the same authority: obeying again and again would be a storm.
  for (let i = 0; i < 10; i++) {
    clock.advance(60_000);
    await sleep(10);
  }
  assert.equal(server.requests.length, 2);
});

test("A revoked certificate is replaced without waiting for renew_at", async (t) => {
  const { server, source, clock } = await start(t);
  const { serial } = source.current();
  const delta = {
    ...noChange,
    revocationsAdded: [{ target: { $case: "serial" as const, value: fromHex(serial) } }],
  };
  server.push({ revision: 2n, update: { $case: "delta", value: delta } });
  await eventually("told", () => source.trust().revocations.length === 1);
  clock.advance(5_001);
  await eventually("replaced", () => source.current().serial !== serial);
});

test("A stream that is cut is opened again, and the next snapshot counts", async (t) => {
  const { server, source, clock } = await start(t);
  server.cut();
  await eventually("the stream is gone", () => server.watchers === 0);
  server.sequence = 5n;
  await eventually("told anew", () => {
    clock.advance(1_000);
    return source.trust().sequence === 5n;
  });
  assert.equal(server.watchers, 1);
});

test("A heartbeat of a revision that was never told means a message was lost: a new snapshot is asked for", async (t) => {
  const { server, source, clock } = await start(t);
  server.sequence = 4n;
  server.push({ revision: 4n, update: { $case: "heartbeat", value: {} } });
  await eventually("the stream is dropped", () => server.watchers === 0);
  await eventually("told anew", () => {
    clock.advance(1_000);
    return source.trust().sequence === 4n;
  });
});

for (const [what, change] of [
  ["an anchor that is no certificate", { anchors: [Uint8Array.of(1, 2, 3)] }],
  ["no authority", { authorities: [] }],
  ["another trust domain", { trustDomain: "other.test" }],
  ["a kind of revocation that is not known", { revocations: [{ target: undefined }] }],
  ["a hash that is none", { distrustedSpkiSha256: [Uint8Array.of(1)] }],
] as const) {
  test(`A statement of trust with ${what} changes nothing, and a new one is asked for`, async (t) => {
    const { server, source } = await start(t);
    const known = source.trust();
    const value = { ...server.snapshot(), ...change, sequence: 9n } as TrustSnapshot;
    server.push({ revision: 9n, update: { $case: "snapshot", value } });
    await eventually("the stream is dropped", () => server.watchers === 0);
    assert.equal(source.trust(), known);
  });
}

test("An older story is left aside for a minute, and even then takes no distrust back", async (t) => {
  const { server, source, clock } = await start(t);
  server.sequence = 10n;
  server.alterTrust = (snapshot) => ({
    ...snapshot,
    anchors: [...snapshot.anchors, successor.der],
    authorities: [...snapshot.authorities, published(successor)],
    distrustedSpkiSha256: [fromHex(pinOf(successor))],
  });
  server.pushSnapshot();
  await eventually("told", () => source.trust().sequence === 10n);

  server.sequence = 3n;
  server.alterTrust = (snapshot) => snapshot;
  server.pushSnapshot();
  await sleep(50);
  assert.equal(source.trust().sequence, 10n);
  clock.advance(61_000);
  server.pushSnapshot();
  await eventually("taken after a minute", () => source.trust().sequence === 3n);
  assert.deepEqual([...source.trust().distrustedSpkis], [pinOf(successor)]);
});

// Old trust that is told again: by a restored database, a replica that lags, a trust file that lies there from before, a state directory
// of last month. What was revoked since must not come back by any of them, and who was away must still find the way home.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SvidSource } from "../../src/identity-client/index.ts";
import { chooseTrust } from "../../src/identity-client/initial-trust.ts";
import { LAGGING_REPLICA_MS, TrustKeeper } from "../../src/identity-client/trust-keeper.ts";
import { readSnapshot } from "../../src/identity-client/trust-messages.ts";
import { stateOf } from "../../src/identity-client/trust-state.ts";
import type { TrustSnapshot } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { encodeTrustFile, parseTrustFile, TrustDomain, type TrustSet } from "../../src/spiffe/index.ts";
import { fromHex, sha256 } from "../../src/x509/index.ts";
import { FaultyServer, pinOf } from "../identity-client/faulty-server.ts";
import { eventually, ManualClock, temporaryDirectory, trustDomain, trustOf } from "../identity-client/helpers.ts";
import { createIntermediate, createLeaf, createRoot, freshKey, type TestCertificate } from "../support/pki.ts";

const DAY_MS = 86_400_000;
const NOW = Date.now();

/** An authority that was made so many days ago, self-signed or under an enterprise's root. */
function authorityOf(daysAgo: number, root?: TestCertificate): TestCertificate {
  const options = {
    subject: `Authority of ${daysAgo} days ago`,
    key: freshKey(),
    notBefore: NOW - daysAgo * DAY_MS,
    notAfter: NOW + 90 * DAY_MS,
  };
  return root === undefined ? createRoot(options) : createIntermediate(root, { ...options, pathLength: 0 });
}

const enterprise = createRoot({
  subject: "Enterprise Root",
  notBefore: NOW - 900 * DAY_MS,
  notAfter: NOW + 900 * DAY_MS,
});

interface Told {
  readonly revision: bigint;
  readonly sequence?: bigint;
  readonly anchors?: readonly TestCertificate[];
  readonly distrusted?: readonly TestCertificate[];
}

function snapshotOf(authorities: readonly TestCertificate[], told: Told): TrustSnapshot {
  return {
    trustDomain: trustDomain.name,
    serverId: `spiffe://${trustDomain.name}/mesh-ca/server`,
    anchors: (told.anchors ?? authorities).map(({ der }) => der),
    authorities: authorities.map(({ der, certificate }) => ({
      certificate: der,
      spkiSha256: sha256(certificate.publicKey.spki),
      state: 2,
      intermediates: [],
      renewSpreadSeconds: 0,
    })),
    distrustedSpkiSha256: (told.distrusted ?? []).map((each) => fromHex(pinOf(each))),
    revocations: [],
    sequence: told.sequence ?? told.revision,
    refreshHintSeconds: 300,
    revision: told.revision,
    renewNow: undefined,
  };
}

const stateTold = (authorities: readonly TestCertificate[], told: Told) =>
  stateOf(readSnapshot(snapshotOf(authorities, told), trustDomain));

/** A keeper that has learned this from its server. */
function keeperWith(authorities: readonly TestCertificate[], told: Told) {
  const clock = new ManualClock(NOW);
  const events: string[] = [];
  const record = (fields: object): void => void events.push("event" in fields ? String(fields.event) : "");
  const logger = { ...silentLogger, warn: record, error: record };
  const keeper = new TrustKeeper({ trust: undefined, clock, logger });
  keeper.learn(stateTold(authorities, told));
  return { keeper, clock, events };
}

const pins = ({ authorities }: TrustSet): string[] =>
  (authorities ?? []).map((each) => each.publicKey.spkiSha256).sort();
const pinsOf = (...authorities: readonly TestCertificate[]): string[] => authorities.map(pinOf).sort();

test("a revision that goes back is an older story, also where the bundle's sequence is the same", () => {
  // Under one enterprise root no anchor changes: every authority comes and goes at one sequence.
  const [old, young] = [authorityOf(8, enterprise), authorityOf(1, enterprise)];
  const anchors = [enterprise];
  const { keeper, clock, events } = keeperWith([old, young], { revision: 7n, sequence: 1n, anchors });
  assert.equal(keeper.learn(stateTold([old], { revision: 6n, sequence: 1n, anchors })), false);
  assert.deepEqual(pins(keeper.current()), pinsOf(old, young));
  clock.advance(LAGGING_REPLICA_MS);
  assert.equal(keeper.learn(stateTold([old], { revision: 6n, sequence: 1n, anchors })), true);
  assert.deepEqual(pins(keeper.current()), pinsOf(old));
  assert.deepEqual(events, ["trust.went_back"]);
});

test("a restored database brings back no authority that had left, and those that it made since are believed", () => {
  const [stolen, present, made] = [authorityOf(8), authorityOf(2), authorityOf(0)];
  const { keeper, clock } = keeperWith([present], { revision: 9n });
  const restored = stateTold([stolen, present, made], { revision: 5n });
  keeper.learn(restored);
  clock.advance(LAGGING_REPLICA_MS);
  assert.equal(keeper.learn(restored), true);
  assert.deepEqual(pins(keeper.current()), pinsOf(present, made));
  const anchors = keeper.current().anchors.map(({ publicKey }) => publicKey.spkiSha256);
  assert.deepEqual(anchors.sort(), pinsOf(present, made));
  const thief = createLeaf(stolen, { spiffeId: `spiffe://${trustDomain.name}/cart` });
  assert.throws(() => keeper.verify([thief.certificate]), { code: "MCA_SVID_UNTRUSTED" });
});

test("a root that was taken out does not come back with an older story that has nothing new under it", () => {
  const pruned = createRoot({ subject: "Pruned Root", key: freshKey() });
  const authority = authorityOf(2, enterprise);
  const { keeper, clock } = keeperWith([authority], { revision: 9n, anchors: [enterprise] });
  const restored = stateTold([authority], { revision: 5n, anchors: [enterprise, pruned] });
  keeper.learn(restored);
  clock.advance(LAGGING_REPLICA_MS);
  keeper.learn(restored);
  assert.equal(keeper.current().sequence, 5n);
  assert.deepEqual(
    keeper.current().anchors.map(({ sha256: hash }) => hash),
    [enterprise.certificate.sha256],
  );
});

test("an older story of authorities that have all left is never taken", () => {
  const [stolen, present] = [authorityOf(8), authorityOf(2)];
  const { keeper, clock, events } = keeperWith([present], { revision: 9n });
  for (let minute = 0; minute < 3; minute++) {
    assert.equal(keeper.learn(stateTold([stolen], { revision: 5n })), false);
    clock.advance(LAGGING_REPLICA_MS);
  }
  assert.equal(keeper.learn(stateTold([stolen], { revision: 5n })), false);
  assert.deepEqual(pins(keeper.current()), pinsOf(present));
  assert.ok(events.length > 0 && events.every((event) => event === "trust.went_back"));
});

test("a restored database that has caught up with the revisions takes no distrust back", () => {
  const [stolen, present] = [authorityOf(8, enterprise), authorityOf(2, enterprise)];
  const anchors = [enterprise];
  const { keeper, events } = keeperWith([present], { revision: 9n, anchors, distrusted: [stolen] });
  assert.equal(keeper.learn(stateTold([stolen, present], { revision: 10n, anchors })), true);
  assert.ok(keeper.current().distrustedSpkis.has(pinOf(stolen)));
  assert.deepEqual(events, ["trust.distrust_forgotten"]);
  const thief = createLeaf(stolen, { spiffeId: `spiffe://${trustDomain.name}/cart` });
  assert.throws(() => keeper.verify([thief.certificate]), { code: "MCA_SVID_UNTRUSTED" });
  keeper.learn(stateTold([stolen, present], { revision: 10n, anchors }));
  assert.equal(events.length, 1, "told once");
});

test("what a token or an operator brings in replaces the trust, but no distrust", () => {
  const [stolen, present] = [authorityOf(8), authorityOf(2)];
  const { keeper } = keeperWith([present], { revision: 9n, distrusted: [stolen] });
  keeper.replace(trustOf([stolen]));
  const thief = createLeaf(stolen, { spiffeId: `spiffe://${trustDomain.name}/cart` });
  assert.throws(() => keeper.verify([thief.certificate]), { code: "MCA_SVID_UNTRUSTED" });
});

test("the revision survives in the state directory, so that a restart is no way back", async (t) => {
  const authority = authorityOf(1);
  const { server, stateDir, start } = await workload(t, authority);
  server.sequence = 10n;
  const first = await start();
  await eventually("told", () => first.trust().revision === 10n);
  await first.close();
  server.sequence = 4n;
  const second = await start();
  await eventually("the stream is open", () => server.watchers === 1);
  assert.equal(second.trust().revision, 10n, stateDir);
});

test("a join token that pins a distrusted key is sent to nobody", async (t) => {
  const stolen = authorityOf(8);
  const { server, stateDir } = await workload(t, stolen);
  const trust = trustOf([authorityOf(1)], { revision: 5n, distrustedSpkis: new Set([pinOf(stolen)]) });
  const trustFile = join(temporaryDirectory(), "trust.json");
  writeFileSync(trustFile, encodeTrustFile(trust));
  const source = SvidSource.start({
    joinToken: { text: server.token() },
    stateDir,
    trustFile,
    callTimeoutMs: 2_000,
    startTimeoutMs: 1,
  });
  await assert.rejects(source, { code: "MCA_SERVER_UNTRUSTED" });
  assert.equal(server.requests.length, 0);
});

async function workload(t: TestContext, authority: TestCertificate) {
  const server = await FaultyServer.start({ authority });
  t.after(() => server.stop());
  const stateDir = join(temporaryDirectory(), "state");
  const start = async (): Promise<SvidSource> => {
    const source = await SvidSource.start({ joinToken: { text: server.token() }, stateDir, callTimeoutMs: 2_000 });
    t.after(() => source.close());
    return source;
  };
  return { server, stateDir, start };
}

/** What is kept, what the file says, and which of them a workload begins with. */
const chosen = (kept: TrustSet, file: TrustSet): "kept" | "file" => {
  const trust = chooseTrust(kept, file, NOW);
  assert.ok(trust !== undefined);
  return trust.revision === kept.revision && pins(trust).join() === pins(kept).join() ? "kept" : "file";
};

const under = (root: TestCertificate, authorities: readonly TestCertificate[], changes: Partial<TrustSet>): TrustSet =>
  trustOf(authorities, { anchors: [root.certificate], ...changes });

test("a trust file from before a revocation does not win over the state directory, which knows better", () => {
  const [stolen, present] = [authorityOf(8), authorityOf(1)];
  assert.equal(chosen(trustOf([present], { revision: 9n, sequence: 9n }), trustOf([stolen], { revision: 3n })), "kept");
  // Not even where it has higher numbers: those of a CA that was given up.
  const given = trustOf([stolen], { revision: 50n, sequence: 50n });
  assert.equal(chosen(trustOf([present], { revision: 3n }), given), "kept");
});

test("who was away for two rotations under one enterprise root begins with the newer trust file", () => {
  const [first, second, third] = [authorityOf(20, enterprise), authorityOf(13, enterprise), authorityOf(6, enterprise)];
  const kept = under(enterprise, [first, second], { revision: 3n });
  assert.equal(
    chosen(kept, under(enterprise, [second, third], { revision: 6n })),
    "file",
    "one rotation: the same sequence",
  );
  assert.equal(chosen(kept, under(enterprise, [third], { revision: 7n })), "file", "two rotations: nothing in common");
});

test("a CA that was set up anew wins by its trust file, although it counts from one, also under the same root", () => {
  const [gone, anew] = [authorityOf(20, enterprise), authorityOf(0, enterprise)];
  assert.equal(
    chosen(under(enterprise, [gone], { revision: 80n, sequence: 4n }), under(enterprise, [anew], { revision: 1n })),
    "file",
  );
  assert.equal(chosen(trustOf([authorityOf(20)], { revision: 80n, sequence: 9n }), trustOf([authorityOf(0)])), "file");
});

test("an older trust file of the same authority changes nothing, a newer one takes no distrust back", () => {
  const [stolen, present] = [authorityOf(8), authorityOf(1)];
  const kept = trustOf([present], { revision: 9n, sequence: 9n, distrustedSpkis: new Set([pinOf(stolen)]) });
  assert.equal(chosen(kept, trustOf([present, stolen], { revision: 8n, sequence: 8n })), "kept");
  assert.equal(chosen(kept, trustOf([present, stolen], { revision: 9n, sequence: 9n })), "kept");
  const newer = chooseTrust(kept, trustOf([present, stolen], { revision: 10n, sequence: 10n }), NOW);
  assert.equal(newer?.revision, 10n);
  assert.deepEqual([...(newer?.distrustedSpkis ?? [])], [pinOf(stolen)]);
});

test("a trust file of expired or distrusted authorities alone never wins", () => {
  const kept = trustOf([authorityOf(8)], { revision: 9n });
  const ended = createRoot({ subject: "Ended", key: freshKey(), notBefore: NOW - DAY_MS, notAfter: NOW - 1 });
  assert.equal(chosen(kept, trustOf([ended])), "kept");
  const stolen = authorityOf(0);
  assert.equal(chosen({ ...kept, distrustedSpkis: new Set([pinOf(stolen)]) }, trustOf([stolen])), "kept");
});

test("a trust file from before revisions were counted is read, and is older than all that are", () => {
  const { revision, ...fields } = JSON.parse(encodeTrustFile(trustOf([authorityOf(1)], { revision: 5n })));
  assert.equal(revision, 5);
  assert.equal(parseTrustFile(JSON.stringify(fields)).revision, 0n);
});

test("what is told again as it was is no change: nothing is judged anew, no listener is called, nothing is logged", () => {
  const present = authorityOf(2);
  const { keeper, events } = keeperWith([present], { revision: 9n });
  let changes = 0;
  keeper.onChange(() => {
    changes += 1;
  });
  const before = keeper.current();
  assert.equal(keeper.learn(stateTold([present], { revision: 9n })), true);
  assert.equal(keeper.current(), before);
  assert.equal(keeper.learn(stateTold([present], { revision: 10n })), true);
  assert.deepEqual([changes, events, keeper.current().revision], [1, [], 10n]);
});

test("before anything is known nothing is verified, and the error says so", () => {
  const keeper = new TrustKeeper({ trust: undefined, clock: new ManualClock(NOW), logger: silentLogger });
  assert.throws(() => keeper.current(), { code: "MCA_CLIENT_NO_SVID" });
  const leaf = createLeaf(authorityOf(1), { spiffeId: `spiffe://${trustDomain.name}/cart` });
  assert.throws(() => keeper.verify([leaf.certificate]), { code: "MCA_CLIENT_NO_SVID" });
});

test("who knows anchors alone has no authority that could have left, and takes those of an older story", () => {
  const known = authorityOf(2);
  const clock = new ManualClock(NOW);
  const trust = trustOf([known], { authorities: undefined, revision: 9n, sequence: 9n });
  const keeper = new TrustKeeper({ trust, clock, logger: silentLogger });
  keeper.learn(stateTold([known], { revision: 5n }));
  clock.advance(LAGGING_REPLICA_MS);
  assert.equal(keeper.learn(stateTold([known], { revision: 5n })), true);
  assert.deepEqual(pins(keeper.current()), pinsOf(known));
});

test("a trust file whose numbers go both ways is of a restored database: what is kept counts", () => {
  const present = authorityOf(1);
  const kept = trustOf([present], { revision: 9n, sequence: 5n });
  assert.equal(chosen(kept, trustOf([present, authorityOf(0)], { revision: 12n, sequence: 4n })), "kept");
});

test("a trust file of another trust domain is refused, however new", () => {
  const other = trustOf([authorityOf(0)], { trustDomain: TrustDomain.parse("other.test"), revision: 99n });
  assert.throws(() => chooseTrust(trustOf([authorityOf(1)]), other, NOW), { code: "MCA_CLIENT_OPTIONS" });
});

import assert from "node:assert/strict";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AuthorityError, AuthorityManager, Rotator } from "../../../src/ca/authority/index.ts";
import { FileKeyStore } from "../../../src/ca/keys/index.ts";
import { selfSignedUpstream, type Upstream, UpstreamError } from "../../../src/ca/upstream/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { TrustDomain } from "../../../src/spiffe/index.ts";
import { parseCertificate, verifySignature } from "../../../src/x509/index.ts";
import { until } from "../../support/until.ts";
import { makeCsr } from "../issuance/materials.ts";
import { createWorld, makeGrant, makeRequest, type World, type WorldOptions } from "../issuance/world.ts";

async function withWorld(options: WorldOptions, run: (world: World) => Promise<void>): Promise<void> {
  const world = await createWorld(options);
  try {
    await run(world);
  } finally {
    await world.close();
  }
}

const keyFile = (world: World, spkiSha256: string): string => join(world.keyDirectory, `${spkiSha256}.pkcs8.pem`);
const refused = (code: string) => (error: unknown) => error instanceof AuthorityError && error.code === code;

/** Kinds of administrative entries, in order: outcomes of probes come when they come. */
async function administrative(world: World): Promise<readonly unknown[]> {
  return (await world.entries()).map(({ kind }) => kind).filter((kind) => !`${kind}`.startsWith("svid."));
}

/** What a crash leaves between the record of a request and the answer to it. */
async function insertRequested(world: World, keyId: string): Promise<void> {
  await world.owner.query(
    {
      name: "",
      text: "INSERT INTO authority (spki_sha256, replica, state, upstream, created_at) VALUES ($1, 1, 'requested', 'self-signed', now())",
    },
    [Buffer.from(keyId, "hex")],
  );
}

/** Opens the authorities anew, as a restart does, and expects that nothing is issued, with this code. */
async function expectHindrance(world: World, code: string, changes: object = {}): Promise<void> {
  const manager = await AuthorityManager.open({ ...world.dependencies, ...changes });
  try {
    const health = manager.health();
    assert.equal(health.kind, "not-issuing");
    if (health.kind !== "not-issuing") return;
    assert.equal(health.code, code);
    for (const text of [health.found, health.expected, health.command]) assert.ok(text.length > 5, text);
    assert.throws(() => manager.active(), refused(code));
    await assert.rejects(manager.prepare("test"), refused(code));
  } finally {
    await manager.close();
  }
}

test("init makes one authority, active at once, whose first signature was on record before", () =>
  withWorld({}, async (world) => {
    const { certificate } = world.authorities.active();
    assert.deepEqual(world.authorities.health(), { kind: "ready" });
    assert.deepEqual((await world.entries()).map(({ kind }) => kind).slice(0, 2), [
      "authority.requested",
      "svid.probe",
    ]);
    assert.deepEqual(await administrative(world), ["authority.requested", "authority.prepared", "authority.activated"]);
    const [requested] = await world.entries();
    assert.equal(requested?.["tbs"], Buffer.from(certificate.tbs).toString("base64"));
    verifySignature(certificate.publicKey, certificate.signatureAlgorithm, certificate.tbs, certificate.signature);
    assert.equal(world.authorities.revision, 1n);
    assert.deepEqual(
      world.authorities.trustSet().anchors.map(({ sha256 }) => sha256),
      [certificate.sha256],
    );
    assert.equal(world.authorities.trustSet().sequence, 1n);
    const transitions = await world.owner.query<{ from_state: string | null; to_state: string }>({
      name: "",
      text: "SELECT from_state, to_state FROM authority_transition ORDER BY id",
    });
    assert.deepEqual(
      transitions.map(({ from_state, to_state }) => [from_state, to_state]),
      [
        [null, "requested"],
        ["requested", "prepared"],
        ["prepared", "active"],
      ],
    );
  }));

test("a second init is refused and changes nothing", () =>
  withWorld({}, async (world) => {
    const before = await administrative(world);
    await assert.rejects(AuthorityManager.initialise(world.dependencies), refused("MCA_ALREADY_INITIALISED"));
    assert.deepEqual(await administrative(world), before);
    assert.equal((await world.keyStore.list()).length, 1);
    // Even where no authority is left: trust was there once.
    await world.owner.query({ name: "", text: "UPDATE authority SET state = 'removed'" });
    await assert.rejects(AuthorityManager.initialise(world.dependencies), refused("MCA_ALREADY_INITIALISED"));
  }));

test("an init that was killed after its request was recorded can be done again, and clears what it left", () =>
  withWorld({ uninitialised: true }, async (world) => {
    const { keyId } = await world.keyStore.create("authority", "ec-p256");
    await insertRequested(world, keyId);
    await AuthorityManager.initialise(world.dependencies);
    await world.authorities.refresh();
    assert.equal(world.authorities.health().kind, "ready");
    assert.deepEqual(
      (await world.keyStore.list()).map(({ spkiSha256 }) => spkiSha256),
      [world.authorities.active().spkiSha256],
    );
  }));

test("an init that was interrupted can be done again, and clears what it left", () =>
  withWorld({ uninitialised: true }, async (world) => {
    const cut: Upstream = {
      ...selfSignedUpstream,
      async certify(request) {
        await request.recordThenSign({ kind: "certificate", bytes: Uint8Array.of(0x30, 0x00) });
        throw new UpstreamError("MCA_UPSTREAM_UNAVAILABLE", "cut short");
      },
    };
    await assert.rejects(AuthorityManager.initialise({ ...world.dependencies, upstream: cut }), /cut short/);
    assert.deepEqual(await world.keyStore.list(), []);
    await AuthorityManager.initialise(world.dependencies);
    await world.authorities.refresh();
    assert.equal(world.authorities.health().kind, "ready");
    assert.equal((await world.keyStore.list()).length, 1);
    assert.equal((await world.entries()).filter(({ kind }) => kind === "authority.key-destroyed").length, 1);
  }));

test("open creates nothing: without an authority nothing is issued, and the command is named", () =>
  withWorld({ uninitialised: true }, async (world) => {
    await expectHindrance(world, "MCA_AUTHORITY_MISSING");
    assert.deepEqual(await world.keyStore.list(), []);
    assert.deepEqual(await world.entries(), []);
  }));

test("a database of another trust domain, another replica, a missing or a foreign key: nothing is issued", () =>
  withWorld({}, async (world) => {
    await expectHindrance(world, "MCA_TRUST_DOMAIN_MISMATCH", { trustDomain: TrustDomain.parse("other.test") });
    await expectHindrance(world, "MCA_AUTHORITY_MISSING", { replica: 2 });
    const { spkiSha256 } = world.authorities.active();
    const path = keyFile(world, spkiSha256);
    const right = await readFile(path, "utf8");

    await rename(path, `${path}.away`);
    await expectHindrance(world, "MCA_AUTHORITY_KEY_MISSING");

    const { keyId } = await world.keyStore.create("authority", "ec-p256");
    await rename(keyFile(world, keyId), path);
    await expectHindrance(world, "MCA_AUTHORITY_KEY_MISMATCH");

    await writeFile(path, "no key", { mode: 0o600 });
    await expectHindrance(world, "MCA_AUTHORITY_KEY_REFUSED");

    await writeFile(path, right, { mode: 0o600 });
    await chmod(path, 0o644);
    await expectHindrance(world, "MCA_AUTHORITY_KEY_REFUSED");

    await chmod(path, 0o600);
    const healthy = await AuthorityManager.open(world.dependencies);
    assert.equal(healthy.health().kind, "ready");
    await healthy.close();
  }));

test("another key folder that is empty stays empty", () =>
  withWorld({}, async (world) => {
    const directory = `${world.keyDirectory}-other`;
    const keyStore = await FileKeyStore.open({ directory });
    await expectHindrance(world, "MCA_AUTHORITY_KEY_MISSING", { keyStore });
    assert.deepEqual(await keyStore.list(), []);
    await rm(directory, { recursive: true });
  }));

test("a stored certificate that is for another key or trust domain stops issuing", () =>
  withWorld({}, async (world) => {
    const foreign = await createWorld();
    const der = foreign.authorities.active().certificate.der;
    await foreign.close();
    await world.owner.query({ name: "", text: "UPDATE authority SET certificate = $1, anchor = $1" }, [der]);
    await expectHindrance(world, "MCA_AUTHORITY_CERTIFICATE_INVALID");
  }));

test("an authority that has ended, has not begun, or is about to end does not sign", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const { notBefore, notAfter } = authorities.active().certificate;
    const at = (time: number, code: string): void => {
      clock.advance((time - clock.now()) / 1000);
      const health = authorities.health();
      assert.equal(health.kind === "not-issuing" && health.code, code);
      assert.throws(() => authorities.active(), refused(code));
    };
    at(notBefore - 1000, "MCA_AUTHORITY_NOT_YET_VALID");
    at(notAfter - 599_000, "MCA_ISSUER_EXPIRING");
    at(notAfter + 1000, "MCA_AUTHORITY_EXPIRED");
    await assert.rejects(authorities.prepare("test"), refused("MCA_AUTHORITY_EXPIRED"));
    clock.advance((notAfter - 700_000 - clock.now()) / 1000);
    assert.equal(authorities.health().kind, "ready");
  }));

test("when the keys are back, issuing resumes without a restart", () =>
  withWorld({}, async (world) => {
    const path = keyFile(world, world.authorities.active().spkiSha256);
    await rename(path, `${path}.away`);
    const manager = await AuthorityManager.open({ ...world.dependencies, pollMs: 20 });
    assert.equal(manager.health().kind, "not-issuing");
    await rename(`${path}.away`, path);
    await until(() => manager.health().kind === "ready", "it issues again");
    await manager.close();
  }));

test("prepare publishes, activate hands over, remove unpublishes and destroys: each step is recorded", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const first = authorities.active().spkiSha256;
    let changes = 0;
    authorities.onTrustChange(() => {
      changes += 1;
    });
    const { spkiSha256 } = await authorities.prepare("test");
    assert.equal(authorities.active().spkiSha256, first);
    assert.deepEqual(
      authorities.published().map(({ state }) => state),
      ["active", "prepared"],
    );
    assert.equal(authorities.trustSet().anchors.length, 2);
    assert.equal(authorities.trustSet().sequence, 2n);

    await assert.rejects(authorities.activate(spkiSha256, { cause: "test" }), refused("MCA_AUTHORITY_TOO_EARLY"));
    clock.advance(1500);
    await authorities.activate(spkiSha256, { cause: "test" });
    assert.equal(authorities.active().spkiSha256, spkiSha256);
    assert.deepEqual(
      authorities.published().map(({ state }) => state),
      ["retired", "active"],
    );
    assert.equal(authorities.trustSet().sequence, 2n);

    await assert.rejects(authorities.remove(spkiSha256, "test"), refused("MCA_AUTHORITY_TRANSITION"));
    await authorities.remove(first, "test");
    assert.deepEqual(
      authorities.published().map(({ state }) => state),
      ["active"],
    );
    assert.equal(authorities.trustSet().sequence, 3n);
    assert.equal(authorities.trustSetForExpired().authorities?.length, 2);
    assert.deepEqual(
      (await world.keyStore.list()).map((key) => key.spkiSha256),
      [spkiSha256],
    );
    assert.equal(changes, 3);
    assert.equal(authorities.revision, 4n);
    assert.deepEqual((await administrative(world)).slice(3), [
      "authority.requested",
      "authority.prepared",
      "bundle.changed",
      "authority.retired",
      "authority.activated",
      "authority.removed",
      "bundle.changed",
      "authority.key-destroyed",
    ]);
  }));

test("a successor whose key is gone never replaces the one that works", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const first = authorities.active().spkiSha256;
    const { spkiSha256 } = await authorities.prepare("test");
    clock.advance(1500);
    await rm(keyFile(world, spkiSha256));
    await assert.rejects(authorities.activate(spkiSha256, { cause: "test" }), refused("MCA_AUTHORITY_KEY_MISSING"));
    assert.equal(authorities.active().spkiSha256, first);
  }));

test("the active authority does not retire by itself, and an unknown one does nothing", () =>
  withWorld({}, async (world) => {
    const { authorities } = world;
    await assert.rejects(
      authorities.retire(authorities.active().spkiSha256, "test"),
      refused("MCA_AUTHORITY_TRANSITION"),
    );
    await assert.rejects(authorities.activate("00".repeat(32), { cause: "test" }), refused("MCA_AUTHORITY_UNKNOWN"));
  }));

test("an upstream's bad answer leaves neither a published authority nor a key", () =>
  withWorld({}, async (world) => {
    const foreign: Upstream = {
      kind: "self-signed",
      answersAtOnce: true,
      async certify(request) {
        const answer = await selfSignedUpstream.certify(request);
        const certificate = Uint8Array.from(answer.certificate);
        certificate[certificate.length - 1] = (certificate[certificate.length - 1] ?? 0) ^ 1;
        return { certificate, intermediates: [], anchor: certificate };
      },
    };
    const manager = await AuthorityManager.open({ ...world.dependencies, upstream: foreign });
    await assert.rejects(manager.prepare("test"), UpstreamError);
    await manager.refresh();
    assert.equal(manager.published().length, 1);
    assert.equal((await world.keyStore.list()).length, 1);
    assert.deepEqual((await administrative(world)).slice(3), [
      "authority.requested",
      "authority.removed",
      "authority.key-destroyed",
    ]);
    await manager.close();
  }));

test("another replica's manager sees every change, and cannot use a key that it does not hold", () =>
  withWorld({}, async (world) => {
    const other = await AuthorityManager.open({ ...world.dependencies, replica: 2, pollMs: 20 });
    const heard = new Promise<void>((resolve) => other.onTrustChange(resolve));
    const { spkiSha256 } = await world.authorities.prepare("test");
    await heard;
    assert.equal(other.published().length, 2);
    await assert.rejects(
      other.activate(spkiSha256, { cause: "test", emergency: true }),
      refused("MCA_AUTHORITY_UNKNOWN"),
    );
    await other.close();
  }));

test("requests that run while one authority hands over to another all succeed, each under one of the two", () =>
  withWorld({}, async (world) => {
    const { authorities, issuer, clock } = world;
    const first = authorities.active();
    const { spkiSha256 } = await authorities.prepare("test");
    clock.advance(1500);
    let done = false;
    let failures = 0;
    const issuers = new Map<string, number>();
    const keys = new Map(
      authorities.published().map(({ certificate }) => [Buffer.from(certificate.subject).toString("hex"), certificate]),
    );
    const loop = async (): Promise<void> => {
      const { der: csrDer } = makeCsr();
      while (!done) {
        try {
          const { chain } = await issuer.issueX509Svid(makeRequest({ csrDer }));
          const [der] = chain;
          assert.ok(der);
          const leaf = parseCertificate(der);
          const above = keys.get(Buffer.from(leaf.issuer).toString("hex"));
          assert.ok(above);
          verifySignature(above.publicKey, leaf.signatureAlgorithm, leaf.tbs, leaf.signature);
          issuers.set(above.sha256, (issuers.get(above.sha256) ?? 0) + 1);
        } catch {
          failures += 1;
        }
      }
    };
    const loops = Array.from({ length: 16 }, loop);
    await until(() => issuers.size === 1, "the first one issues");
    await authorities.activate(spkiSha256, { cause: "test" });
    await until(() => issuers.size === 2 || failures > 0, "the next one issues");
    done = true;
    await Promise.all(loops);
    assert.equal(failures, 0);
    assert.equal(issuers.size, 2);
    assert.notEqual(authorities.active().spkiSha256, first.spkiSha256);
  }));

test("an authority hands over only when what it has begun is signed; who comes meanwhile is served by the next", () =>
  withWorld({}, async (world) => {
    const { authorities, issuer, ledger } = world;
    const first = authorities.active();
    const { spkiSha256 } = await authorities.prepare("test");
    const { promise: recorded, resolve: record } = Promise.withResolvers<void>();
    const { commit } = ledger;
    ledger.commit = async (intent) => {
      const result = await commit.call(ledger, intent);
      await recorded;
      return result;
    };
    const begun = issuer.issueX509Svid(makeRequest());
    const handedOver = authorities.activate(spkiSha256, { cause: "test", emergency: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(authorities.active(), first);
    const meanwhile = issuer.issueX509Svid(makeRequest());
    ledger.commit = commit;
    record();
    await handedOver;
    const issuerOf = ({ chain }: { chain: readonly Uint8Array[] }): string =>
      Buffer.from(parseCertificate(chain[0] ?? new Uint8Array()).issuer).toString("hex");
    assert.equal(issuerOf(await begun), Buffer.from(first.certificate.subject).toString("hex"));
    assert.equal(issuerOf(await meanwhile), Buffer.from(authorities.active().certificate.subject).toString("hex"));
  }));

test("over months of ticks the rotator keeps one healthy authority, and clears what is over", () =>
  withWorld({}, async (world) => {
    const { authorities, clock, settings } = world;
    const rotator = new Rotator({ authorities, clock, settings, logger: silentLogger });
    const seen = new Set<string>();
    let most = 0;
    for (let hour = 0; hour < 24 * 60; hour++) {
      clock.advance(3600);
      await rotator.tick();
      assert.equal(authorities.health().kind, "ready", `hour ${hour}`);
      const active = authorities.active();
      // Whatever is issued now ends before its issuer, at its full length.
      assert.ok(clock.now() + settings.maxLeafTtlSeconds * 1000 <= active.endsAt, `hour ${hour}`);
      seen.add(active.spkiSha256);
      most = Math.max(most, authorities.published().length);
    }
    // 60 days at 5/6 of 7 days each, less the half that a successor has lived when it takes over.
    assert.ok(seen.size >= 15 && seen.size <= 30, `${seen.size}`);
    assert.ok(most <= 3, `${most}`);
    assert.ok((await world.keyStore.list()).length <= 3);
  }));

test("the rotator leaves an unhealthy authority alone, tries again later, and recovers", () =>
  withWorld({}, async (world) => {
    let away = true;
    let tries = 0;
    const upstream: Upstream = {
      ...selfSignedUpstream,
      async certify(request) {
        tries += 1;
        if (away) throw new UpstreamError("MCA_UPSTREAM_UNAVAILABLE", "the upstream is away");
        return selfSignedUpstream.certify(request);
      },
    };
    const authorities = await AuthorityManager.open({ ...world.dependencies, upstream });
    const rotator = new Rotator({ authorities, clock: world.clock, settings: world.settings, logger: silentLogger });
    world.clock.advance(4 * 24 * 3600);
    assert.deepEqual(await rotator.tick(), []);
    assert.equal(tries, 1);
    assert.equal((await world.keyStore.list()).length, 1);
    // It waits, longer each time: the next tick does nothing.
    world.clock.advance(10);
    assert.deepEqual(await rotator.tick(), []);
    assert.equal(tries, 1);
    away = false;
    world.clock.advance(3600);
    assert.deepEqual(await rotator.tick(), [{ kind: "prepare" }]);
    assert.deepEqual(
      authorities.published().map(({ state }) => state),
      ["active", "prepared"],
    );
    await authorities.close();
  }));

test("the rotator gives up a successor whose key is gone and makes another", () =>
  withWorld({}, async (world) => {
    const { authorities, clock, settings } = world;
    const rotator = new Rotator({ authorities, clock, settings, logger: silentLogger });
    clock.advance(4 * 24 * 3600);
    await rotator.tick();
    const [, prepared] = authorities.published();
    assert.equal(prepared?.state, "prepared");
    await rm(keyFile(world, prepared.spkiSha256));
    clock.advance(2 * 24 * 3600);
    await rotator.tick();
    await rotator.tick();
    const states = authorities.published().map(({ state }) => state);
    assert.deepEqual(states, ["active", "retired", "prepared"]);
    clock.advance(1500);
    await rotator.tick();
    assert.equal(
      authorities.published().find(({ state }) => state === "active")?.spkiSha256,
      authorities.active().spkiSha256,
    );
    await world.issuer.issueX509Svid(makeRequest());
  }));

test("a retired authority stays published while a leaf under it lives, however the settings have changed since", () =>
  withWorld({}, async (world) => {
    const { authorities, clock, issuer } = world;
    const first = authorities.active().spkiSha256;
    await issuer.issueX509Svid(makeRequest({ grant: makeGrant({ ttlSeconds: 86_400 }) }));
    const { spkiSha256 } = await authorities.prepare("test");
    await authorities.activate(spkiSha256, { cause: "test", emergency: true });
    // An operator has lowered the lifetimes: by the clock alone the retired one would be over within minutes.
    const settings = { ...world.settings, maxLeafTtlSeconds: 600 };
    const rotator = new Rotator({ authorities, clock, settings, logger: silentLogger });
    clock.advance(3600);
    await rotator.tick();
    assert.ok(authorities.published().some((each) => each.spkiSha256 === first));
    clock.advance(86_400);
    await rotator.tick();
    assert.ok(!authorities.published().some((each) => each.spkiSha256 === first));
  }));

test("the rotator clears keys and requests that a crash left", () =>
  withWorld({}, async (world) => {
    const { authorities, clock, settings } = world;
    const { keyId } = await world.keyStore.create("authority", "ec-p256");
    await insertRequested(world, keyId);
    await world.owner.query({ name: "", text: "UPDATE trust_state SET revision = revision + 1" });
    const rotator = new Rotator({ authorities, clock, settings, logger: silentLogger });
    await rotator.tick();
    assert.deepEqual(
      (await world.keyStore.list()).map(({ spkiSha256 }) => spkiSha256),
      [authorities.active().spkiSha256],
    );
  }));

test("under a clock that is wrong nothing is made, nobody takes over and nothing is unpublished", () =>
  withWorld({}, async (world) => {
    const { authorities, clock, settings, skew } = world;
    const rotator = new Rotator({ authorities, clock, settings, logger: silentLogger });
    const day = 24 * 3600;
    clock.advance(4 * day);
    await rotator.tick(); // a successor is published
    clock.advance(2 * day);
    await rotator.tick(); // and takes over
    const states = () => authorities.published().map(({ state }) => state);
    assert.deepEqual(states(), ["retired", "active"]);
    // Ours runs a day ahead: by it every leaf of the retired one has expired. The database knows better.
    clock.advance(1.2 * day);
    skew.ms = -1.2 * day * 1000;
    const before = await administrative(world);
    assert.deepEqual(await rotator.tick(), []);
    await assert.rejects(authorities.prepare("test"), refused("MCA_CLOCK_SKEW"));
    assert.deepEqual(states(), ["retired", "active"]);
    assert.deepEqual(await administrative(world), before);
    assert.equal((await world.keyStore.list()).length, 2);
    skew.ms = 0;
    clock.advance(60);
    await rotator.tick();
    assert.deepEqual(states(), ["active"]);
  }));

test("init makes no authority under a clock that is wrong", () =>
  withWorld({ uninitialised: true }, async (world) => {
    world.skew.ms = 11_000;
    await assert.rejects(AuthorityManager.initialise(world.dependencies), refused("MCA_CLOCK_SKEW"));
    assert.equal((await world.entries()).length, 0);
    assert.equal((await world.keyStore.list()).length, 0);
  }));

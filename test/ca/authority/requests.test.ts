import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AuthorityManager } from "../../../src/ca/authority/index.ts";
import { offlineUpstream, selfSignedUpstream } from "../../../src/ca/upstream/index.ts";
import { parseCsr, verifyCsrSignature } from "../../../src/x509/index.ts";
import { administrative, DAY, keysOf, refused, rotatorOf, statesOf, withOfflineWorld, withWorld } from "./support.ts";

const firstStart = { upstream: offlineUpstream(), uninitialised: true } as const;

test("init where people sign makes a key and a recorded CSR, and nothing that is trusted", () =>
  withWorld(firstStart, async (world) => {
    const { request, spkiSha256 } = await AuthorityManager.initialise(world.dependencies);
    await world.authorities.refresh();
    assert.ok(request);
    const csr = parseCsr(request.csr);
    verifyCsrSignature(csr);
    assert.equal(csr.publicKey.spkiSha256, spkiSha256);
    assert.deepEqual(await administrative(world), ["authority.requested"]);
    assert.deepEqual(world.authorities.published(), []);
    assert.equal(world.authorities.revision, 0n);
    const health = world.authorities.health();
    assert.ok(health.kind === "not-issuing" && health.code === "MCA_AUTHORITY_AWAITING_SIGNATURE");
    assert.match(health.found, new RegExp(spkiSha256));
    assert.match(health.command, /authority csr.*authority import FILE/);
    assert.throws(() => world.authorities.active(), refused("MCA_AUTHORITY_AWAITING_SIGNATURE"));
  }));

test("a request is the same over restarts and however often it is asked for; init gives it again", () =>
  withWorld(firstStart, async (world) => {
    const { request } = await AuthorityManager.initialise(world.dependencies);
    const again = await AuthorityManager.initialise(world.dependencies);
    assert.deepEqual(again.request, request);
    const restarted = await AuthorityManager.open(world.dependencies);
    assert.deepEqual(restarted.pendingRequests(), [request]);
    assert.deepEqual(await restarted.request("operator"), request);
    await restarted.close();
    assert.equal((await keysOf(world)).length, 1);
    assert.deepEqual(await administrative(world), ["authority.requested"]);
  }));

test("renew gives the waiting request up, key and all, and makes another, also before the first authority", () =>
  withWorld(firstStart, async (world) => {
    const { spkiSha256: first } = await AuthorityManager.initialise(world.dependencies);
    await world.authorities.refresh();
    const second = await world.authorities.request("lost the sheet", { renew: true });
    assert.notEqual(second.spkiSha256, first);
    assert.deepEqual(await keysOf(world), [second.spkiSha256]);
    assert.deepEqual(world.authorities.pendingRequests(), [second]);
    assert.deepEqual(statesOf(world), ["removed", "requested"]);
    assert.deepEqual((await administrative(world)).slice(1), [
      "authority.removed",
      "authority.key-destroyed",
      "authority.requested",
    ]);
  }));

test("a request that a crash left without its CSR is never handed out; init and the rotator clear it", () =>
  withWorld(firstStart, async (world) => {
    const { keyId } = await world.keyStore.create("authority", "ec-p256");
    await world.owner.query(
      {
        name: "",
        text: "INSERT INTO authority (spki_sha256, replica, state, upstream, created_at) VALUES ($1, 1, 'requested', 'offline', now())",
      },
      [Buffer.from(keyId, "hex")],
    );
    await world.authorities.refresh();
    assert.deepEqual(world.authorities.pendingRequests(), []);
    const { request } = await AuthorityManager.initialise(world.dependencies);
    assert.ok(request);
    assert.deepEqual(await keysOf(world), [request.spkiSha256]);
  }));

test("csr is for upstreams where people sign, prepare and rotate for those that answer", () =>
  withWorld({ upstream: selfSignedUpstream }, async (world) => {
    await assert.rejects(world.authorities.request("operator"), refused("MCA_AUTHORITY_UPSTREAM_KIND"));
    const offline = await AuthorityManager.open({ ...world.dependencies, upstream: offlineUpstream() });
    await assert.rejects(offline.prepare("operator", { changeUpstream: true }), refused("MCA_AUTHORITY_UPSTREAM_KIND"));
    await assert.rejects(offline.rotate("operator"), refused("MCA_AUTHORITY_NO_SUCCESSOR"));
    await assert.rejects(offline.request("operator"), refused("MCA_AUTHORITY_UNHEALTHY"));
    assert.ok((await offline.request("operator", { changeUpstream: true })).csr.length > 100);
    await offline.close();
    assert.deepEqual(statesOf(world), ["active"]);
  }));

test("the rotator makes the request at half of the life, once, and health stays good while it waits", () =>
  withOfflineWorld({ days: 90 }, async (world) => {
    const { authorities, clock } = world;
    const rotator = rotatorOf(world);
    clock.advance(44 * DAY);
    await rotator.tick();
    assert.deepEqual(authorities.pendingRequests(), []);
    assert.deepEqual(authorities.notes(), []);
    clock.advance(2 * DAY);
    assert.deepEqual(await rotator.tick(), [{ kind: "request" }]);
    assert.deepEqual(await rotator.tick(), [{ kind: "nothing" }]);
    assert.equal(authorities.pendingRequests().length, 1);
    assert.equal((await keysOf(world)).length, 2);
    assert.equal(authorities.health().kind, "ready");
    assert.match(authorities.notes()[0]?.sentence ?? "", /waits for a signature since .*authority import FILE/);
    clock.advance(31 * DAY);
    assert.deepEqual(
      (await rotator.tick()).map(({ kind }) => kind),
      ["overdue"],
    );
    assert.equal(authorities.notes().length, 2);
  }));

test("an unhealthy authority gets no request by itself; an operator says --recover", () =>
  withOfflineWorld({ days: 90 }, async (world) => {
    const { authorities, clock } = world;
    const rotator = rotatorOf(world);
    clock.advance(91 * DAY);
    assert.deepEqual(await rotator.tick(), [{ kind: "nothing" }]);
    const health = authorities.health();
    assert.ok(health.kind === "not-issuing" && health.code === "MCA_AUTHORITY_EXPIRED");
    assert.match(health.command, /authority csr --recover.*authority import --recover/);
    await assert.rejects(authorities.request("operator"), refused("MCA_AUTHORITY_EXPIRED"));
    await assert.rejects(authorities.request("operator", { renew: true }), refused("MCA_AUTHORITY_EXPIRED"));
    assert.ok((await authorities.request("operator", { recovery: true })).csr);
  }));

test("recovery is no back door: not for a foreign database, a wrong clock, nor a replica that never had an authority", () =>
  withWorld({}, async (world) => {
    const other = await AuthorityManager.open({ ...world.dependencies, replica: 2 });
    await assert.rejects(other.prepare("operator", { recovery: true }), refused("MCA_AUTHORITY_MISSING"));
    await other.close();
    world.skew.ms = 60_000;
    await assert.rejects(world.authorities.prepare("operator", { recovery: true }), refused("MCA_CLOCK_SKEW"));
    await assert.rejects(world.authorities.rotate("operator"), refused("MCA_CLOCK_SKEW"));
    world.skew.ms = 0;
    world.clock.advance((world.authorities.active().certificate.notBefore - 1000 - world.clock.now()) / 1000);
    await assert.rejects(
      world.authorities.prepare("operator", { recovery: true }),
      refused("MCA_AUTHORITY_NOT_YET_VALID"),
    );
  }));

test("a trust domain that was never initialised has no recovery either", () =>
  withWorld({ uninitialised: true }, async (world) => {
    await assert.rejects(world.authorities.prepare("operator", { recovery: true }), refused("MCA_AUTHORITY_MISSING"));
    assert.deepEqual(await keysOf(world), []);
  }));

test("after the key is lost an operator begins again: the successor signs when every client knows it", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const lost = authorities.active().spkiSha256;
    await rm(join(world.keyDirectory, `${lost}.pkcs8.pem`));
    const restarted = await AuthorityManager.open(world.dependencies);
    await assert.rejects(restarted.prepare("operator"), refused("MCA_AUTHORITY_KEY_MISSING"));
    const { spkiSha256 } = await restarted.prepare("key lost", { recovery: true });
    const rotator = rotatorOf({ ...world, authorities: restarted });
    await rotator.tick();
    assert.equal(restarted.health().kind, "not-issuing");
    clock.advance(1500);
    await rotator.tick();
    assert.equal(restarted.active().spkiSha256, spkiSha256);
    assert.deepEqual(
      restarted.published().map(({ state }) => state),
      ["retired", "active"],
    );
    await restarted.close();
  }));

test("after its end nothing valid is left: what an operator prepares then signs at once", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    clock.advance(8 * DAY);
    await assert.rejects(authorities.prepare("operator"), refused("MCA_AUTHORITY_EXPIRED"));
    const { spkiSha256 } = await authorities.prepare("the server was down", { recovery: true });
    assert.equal(authorities.active().spkiSha256, spkiSha256);
    assert.deepEqual(statesOf(world), ["retired", "active"]);
    await rotatorOf(world).tick();
    assert.deepEqual(await keysOf(world), [spkiSha256]);
  }));

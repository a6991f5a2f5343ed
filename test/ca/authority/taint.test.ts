import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AuthorityManager } from "../../../src/ca/authority/index.ts";
import { offlineUpstream } from "../../../src/ca/upstream/index.ts";
import { SpiffeError, X509SvidVerifier } from "../../../src/spiffe/index.ts";
import { parseCertificate } from "../../../src/x509/index.ts";
import { makeGrant, makeRequest, type World } from "../issuance/world.ts";
import {
  administrative,
  DAY,
  keysOf,
  refused,
  rotatorOf,
  snapshotOf,
  statesOf,
  withOfflineWorld,
  withWorld,
} from "./support.ts";

const issue = async (world: World, ttlSeconds = 3600) => {
  const { chain } = await world.issuer.issueX509Svid(makeRequest({ grant: makeGrant({ ttlSeconds }) }));
  return chain.map((der) => parseCertificate(der));
};
type Chain = Awaited<ReturnType<typeof issue>>;
const verify = (world: World, chain: Chain, time = world.clock.now()) =>
  new X509SvidVerifier(world.authorities.trustSet()).verify(chain, time);
const verifyExpired = (world: World, chain: Chain) =>
  new X509SvidVerifier(world.authorities.trustSetForExpired()).verify(chain, chain[0]?.notAfter ?? 0);
const untrusted = (error: unknown) => error instanceof SpiffeError && error.code === "MCA_SVID_UNTRUSTED";

/** Prepares a successor and lets it become known. */
async function prepare(world: World): Promise<string> {
  const { spkiSha256 } = await world.authorities.prepare("test");
  world.clock.advance(1500);
  return spkiSha256;
}

async function insertToken(world: World, id: number, redeemed = false): Promise<void> {
  await world.owner.query(
    {
      name: "",
      text: `INSERT INTO join_token (secret_sha256, id, attestor, attributes, created_at, created_by, expires_at, redeemed_at)
        VALUES (sha256($1::text::bytea), ('00000000-0000-4000-8000-0000000000' || $1)::uuid, 'token', '{}', $2, 'test', $3, $4)`,
    },
    [
      `${id}`,
      new Date(world.clock.now()).toISOString(),
      new Date(world.clock.now() + 3_600_000).toISOString(),
      redeemed ? new Date(world.clock.now()).toISOString() : null,
    ],
  );
}
const voidedTokens = async (world: World): Promise<bigint> => {
  const text = "SELECT count(*) AS n FROM join_token WHERE voided_at IS NOT NULL";
  return (await world.owner.query<{ n: bigint }>({ name: "", text }))[0]?.n ?? -1n;
};

test("tainting the active authority activates the successor in the same transaction; its leaves stay accepted", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const first = authorities.active().spkiSha256;
    const leaf = await issue(world);
    const successor = await prepare(world);
    await insertToken(world, 10);
    await authorities.taint(first, { cause: "suspicion", spreadSeconds: 45 });
    assert.equal(authorities.active().spkiSha256, successor);
    const [tainted] = authorities.published();
    assert.deepEqual([tainted?.state, tainted?.renewSpreadSeconds], ["tainted", 45]);
    assert.ok(!("renewSpreadSeconds" in (authorities.published()[1] ?? {})));
    verify(world, leaf);
    assert.deepEqual((await administrative(world)).slice(-2), ["authority.tainted", "authority.activated"]);
    assert.equal(await voidedTokens(world), 0n);
    const rows = await world.owner.query<{ from_state: string; to_state: string; cause: string; at: number }>({
      name: "",
      text: "SELECT from_state, to_state, cause, at FROM authority_transition ORDER BY id DESC LIMIT 2",
    });
    assert.deepEqual(
      rows.map(({ from_state, to_state, cause, at }) => [from_state, to_state, cause, at]),
      [
        ["prepared", "active", "suspicion", clock.now()],
        ["active", "tainted", "suspicion", clock.now()],
      ],
    );
    await assert.rejects(authorities.taint(first, { cause: "again" }), refused("MCA_AUTHORITY_TRANSITION"));
    // Whoever took its key can make an expired certificate today.
    assert.throws(() => verifyExpired(world, leaf), untrusted);
    verifyExpired(world, await issue(world));
  }));

test("the active authority is given up only for a prepared one that every client knows, or in an emergency", () =>
  withWorld({}, async (world) => {
    const { authorities } = world;
    const first = authorities.active().spkiSha256;
    const before = await snapshotOf(world);
    for (const change of ["taint", "revoke"] as const) {
      await assert.rejects(authorities[change](first, { cause: "test" }), (error: Error) => {
        return refused("MCA_AUTHORITY_NO_SUCCESSOR")(error) && /npx mesh-ca authority prepare/.test(error.message);
      });
      await assert.rejects(
        authorities[change](first, { cause: "test", emergency: true }),
        refused("MCA_AUTHORITY_NO_SUCCESSOR"),
      );
    }
    assert.deepEqual(await snapshotOf(world), before);
    const { spkiSha256 } = await authorities.prepare("test");
    await assert.rejects(authorities.revoke(first, { cause: "test" }), refused("MCA_AUTHORITY_TOO_EARLY"));
    await insertToken(world, 10);
    await insertToken(world, 11, true);
    await authorities.revoke(first, { cause: "stolen", emergency: true });
    assert.equal(authorities.active().spkiSha256, spkiSha256);
    assert.equal(await voidedTokens(world), 1n);
    const activated = (await world.entries()).findLast(({ kind }) => kind === "authority.activated");
    assert.deepEqual([activated?.["emergency"], activated?.["voidedTokens"]], [true, "1"]);
  }));

test("a successor whose key is gone never takes over by a taint or a revocation", () =>
  withWorld({}, async (world) => {
    const { authorities } = world;
    const first = authorities.active().spkiSha256;
    const successor = await prepare(world);
    await rm(join(world.keyDirectory, `${successor}.pkcs8.pem`));
    const before = await snapshotOf(world);
    await assert.rejects(authorities.taint(first, { cause: "test" }), refused("MCA_AUTHORITY_KEY_MISSING"));
    await assert.rejects(authorities.revoke(first, { cause: "test" }), refused("MCA_AUTHORITY_KEY_MISSING"));
    assert.deepEqual(await snapshotOf(world), before);
  }));

test("revoking a self-signed authority takes its anchor out of the bundle and destroys the key, all recorded", () =>
  withWorld({}, async (world) => {
    const { authorities } = world;
    const first = authorities.active();
    const leaf = await issue(world);
    const successor = await prepare(world);
    const { sequence } = authorities.trustSet();
    assert.deepEqual(await authorities.revoke(first.spkiSha256, { cause: "stolen" }), { distrusted: false });
    assert.deepEqual(statesOf(world), ["removed", "active"]);
    assert.ok(!authorities.trustSet().anchors.some(({ sha256 }) => sha256 === first.certificate.sha256));
    assert.equal(authorities.trustSet().distrustedSpkis.size, 0);
    assert.equal(authorities.trustSet().sequence, sequence + 1n);
    assert.throws(() => verify(world, leaf), untrusted);
    // It is removed, and it was revoked: no expired certificate under it counts either.
    assert.throws(() => verifyExpired(world, leaf), untrusted);
    assert.deepEqual(await keysOf(world), [successor]);
    assert.deepEqual((await administrative(world)).slice(-6), [
      "authority.tainted",
      "authority.revoked",
      "authority.activated",
      "bundle.changed",
      "authority.removed",
      "authority.key-destroyed",
    ]);
    await assert.rejects(authorities.revoke(first.spkiSha256, { cause: "again" }), refused("MCA_AUTHORITY_TRANSITION"));
  }));

test("revoking a chained authority distrusts its key for ever and says what to ask the enterprise", () =>
  withOfflineWorld({}, async (world, enterprise) => {
    const { authorities, clock } = world;
    const first = authorities.active();
    const leaf = await issue(world);
    const request = await authorities.request("successor");
    const files = enterprise.answer(request.csr, clock.now(), 90);
    await authorities.import(files, { cause: "ceremony", dryRun: false });
    clock.advance(1500);
    const { sequence } = authorities.trustSet();
    const { distrusted, enterpriseRequest } = await authorities.revoke(first.spkiSha256, { cause: "stolen" });
    assert.ok(distrusted);
    for (const part of [first.certificate.serialHex, "CN=Corp Issuing CA", "keyCompromise"]) {
      assert.ok(enterpriseRequest?.includes(part), part);
    }
    assert.deepEqual([...authorities.trustSet().distrustedSpkis], [first.spkiSha256]);
    // The root is still the successor's: the bundle says the same.
    assert.equal(authorities.trustSet().sequence, sequence);
    assert.throws(() => verify(world, leaf), untrusted);
    verify(world, await issue(world));
    // Distrusted although another certificate for the key were published again.
    const again = { ...authorities.trustSet(), authorities: [first.certificate] };
    assert.throws(() => new X509SvidVerifier(again).verify(leaf, clock.now()), untrusted);
  }));

test("prepared and retired authorities are tainted and revoked without any hand-over", () =>
  withWorld({}, async (world) => {
    const { authorities } = world;
    const first = authorities.active().spkiSha256;
    const successor = await prepare(world);
    await authorities.activate(successor, { cause: "test" });
    const { spkiSha256: third } = await authorities.prepare("test");
    await authorities.taint(first, { cause: "test" });
    await authorities.revoke(third, { cause: "test" });
    assert.deepEqual(statesOf(world), ["tainted", "active", "removed"]);
    assert.equal(authorities.active().spkiSha256, successor);
    await assert.rejects(authorities.activate(third, { cause: "test" }), refused("MCA_AUTHORITY_TRANSITION"));
    await assert.rejects(authorities.activate(first, { cause: "test" }), refused("MCA_AUTHORITY_TRANSITION"));
    await assert.rejects(authorities.remove(first, "test"), refused("MCA_AUTHORITY_TRANSITION"));
    await authorities.revoke(first, { cause: "test" });
    assert.deepEqual(await keysOf(world), [successor]);
  }));

test("a tainted authority under which nothing valid is left is revoked and its key destroyed by the rotator", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const first = authorities.active().spkiSha256;
    await issue(world, 86_400);
    const successor = await prepare(world);
    await authorities.taint(first, { cause: "test" });
    const rotator = rotatorOf(world);
    clock.advance(DAY - 1600);
    await rotator.tick();
    assert.deepEqual(statesOf(world), ["tainted", "active"]);
    clock.advance(1700);
    await rotator.tick();
    assert.deepEqual(statesOf(world), ["removed", "active"]);
    assert.deepEqual(await keysOf(world), [successor]);
  }));

test("the server chooses the spread by how many have to renew, between ten seconds and half of a leaf's life", () =>
  withWorld({}, async (world) => {
    const { authorities, owner, clock } = world;
    const spread = async (spkiSha256: string): Promise<unknown> => {
      await authorities.taint(spkiSha256, { cause: "test" });
      return authorities.published().find((each) => each.spkiSha256 === spkiSha256)?.renewSpreadSeconds;
    };
    const fill = (from: number, to: number, notAfter: number) =>
      owner.query(
        {
          name: "",
          text: `INSERT INTO lineage (id, spiffe_id, rule, attestor, attributes, opened_at, current_serial, current_spki, current_index,
            current_used, current_issued_at, current_not_after, quota_left, quota_at)
            SELECT gen_random_uuid(), 'spiffe://example.test/x', 'shop', 'token', '{}', now(), '', '', 0, true, now(), $3, 0, now()
            FROM generate_series($1::int, $2::int)`,
        },
        [from, to, new Date(notAfter).toISOString()],
      );
    assert.equal(await spread((await authorities.prepare("a")).spkiSha256), 10);
    await fill(1, 5000, clock.now() - 1000);
    await fill(1, 2001, clock.now() + 1000);
    assert.equal(await spread((await authorities.prepare("b")).spkiSha256), 21);
    const { spkiSha256 } = await authorities.prepare("c");
    await assert.rejects(authorities.taint(spkiSha256, { cause: "test", spreadSeconds: -1 }), TypeError);
    await authorities.taint(spkiSha256, { cause: "test", spreadSeconds: 1_000_000 });
    assert.equal(authorities.published().at(-1)?.renewSpreadSeconds, 43_200);
  }));

test("another replica's active authority is given up for its own successor, or in an emergency for none", () =>
  withWorld({}, async (world) => {
    const { authorities } = world;
    // A second replica, as the join procedure will make it.
    const second = await AuthorityManager.open({ ...world.dependencies, replica: 2 });
    const { spkiSha256 } = await authorities.prepare("of replica 2");
    await world.owner.query({ name: "", text: "UPDATE authority SET replica = 2 WHERE state = 'prepared'" });
    await world.owner.query({ name: "", text: "UPDATE trust_state SET revision = revision + 1" });
    await second.refresh();
    await second.activate(spkiSha256, { cause: "test", emergency: true });
    await assert.rejects(authorities.activate(spkiSha256, { cause: "test" }), refused("MCA_AUTHORITY_UNKNOWN"));
    await assert.rejects(
      authorities.revoke(spkiSha256, { cause: "its host is lost" }),
      (error: Error) => refused("MCA_AUTHORITY_NO_SUCCESSOR")(error) && /--emergency/.test(error.message),
    );
    await authorities.revoke(spkiSha256, { cause: "its host is lost", emergency: true });
    assert.deepEqual(statesOf(world), ["active", "revoked"]);
    assert.equal(authorities.health().kind, "ready");
    await second.refresh();
    assert.equal(second.health().kind, "not-issuing");
    assert.ok(await second.hasLivingLeaves(spkiSha256));
    // The key is where it is: only the rotator over there can destroy it.
    assert.equal((await keysOf(world)).length, 2);
    await rotatorOf({ ...world, authorities: second }).tick();
    assert.deepEqual(await keysOf(world), [authorities.active().spkiSha256]);
    await second.close();
  }));

test("the enterprise revokes our intermediate: issuance stops, health names who says so, and an operator recovers", () =>
  withOfflineWorld({}, async (world, enterprise) => {
    const { authorities, clock } = world;
    const { spkiSha256, certificate } = authorities.active();
    const leaf = await issue(world);
    const report = { spkiSha256, certificate, source: "CRL http://crl.example.test/ca.crl", reason: "keyCompromise" };
    await authorities.reportUpstreamRevocation(report);
    assert.deepEqual(statesOf(world), ["tainted"]);
    const health = authorities.health();
    assert.ok(health.kind === "not-issuing" && health.code === "MCA_AUTHORITY_UPSTREAM_REVOKED");
    for (const part of [
      certificate.serialHex,
      "CN=Corp Issuing CA",
      "CRL http://crl.example.test/ca.crl",
      "keyCompromise",
    ]) {
      assert.ok(health.found.includes(part), part);
    }
    assert.match(health.command, /authority csr --recover/);
    await assert.rejects(issue(world), refused("MCA_AUTHORITY_UPSTREAM_REVOKED"));
    verify(world, leaf);
    const before = await snapshotOf(world);
    await authorities.reportUpstreamRevocation(report);
    assert.deepEqual(await snapshotOf(world), before);

    await assert.rejects(authorities.request("operator"), refused("MCA_AUTHORITY_UPSTREAM_REVOKED"));
    const request = await authorities.request("operator", { recovery: true });
    const waiting = authorities.health();
    assert.ok(waiting.kind === "not-issuing" && waiting.code === "MCA_AUTHORITY_AWAITING_SIGNATURE");
    const files = enterprise.answer(request.csr, clock.now(), 90);
    await assert.rejects(
      authorities.import(files, { cause: "x", dryRun: false }),
      refused("MCA_AUTHORITY_AWAITING_SIGNATURE"),
    );
    const imported = await authorities.import(files, { cause: "x", dryRun: false, recovery: true });
    // The old leaves are still accepted, so that clients have time to learn of the new authority.
    assert.ok(imported.kind === "accepted" && !imported.activated && imported.activatesAt === clock.now() + 1_500_000);
    const soon = authorities.health();
    assert.ok(soon.kind === "not-issuing" && soon.code === "MCA_AUTHORITY_UPSTREAM_REVOKED");
    assert.match(soon.command, new RegExp(`activate ${request.spkiSha256} --emergency`));
    clock.advance(1500);
    await rotatorOf(world).tick();
    verify(world, await issue(world));
  }));

test("with a successor that is not touched the enterprise's revocation costs nothing", () =>
  withOfflineWorld({}, async (world, enterprise) => {
    const { authorities, clock } = world;
    const first = authorities.active();
    const importNext = async (): Promise<string> => {
      const request = await authorities.request("successor");
      const files = enterprise.answer(request.csr, clock.now(), 90);
      await authorities.import(files, { cause: "ceremony", dryRun: false });
      return request.spkiSha256;
    };
    const second = await importNext();
    const report = (spkiSha256: string, certificate = first.certificate) =>
      authorities.reportUpstreamRevocation({ spkiSha256, certificate, source: "OCSP http://ocsp.example.test" });
    await assert.rejects(report(second), refused("MCA_AUTHORITY_UNKNOWN"));
    // Not known everywhere yet: nothing is issued until it is, and then it signs without anybody's help.
    await report(first.spkiSha256);
    assert.deepEqual(statesOf(world), ["tainted", "prepared"]);
    assert.equal(authorities.health().kind, "not-issuing");
    clock.advance(1500);
    await rotatorOf(world).tick();
    assert.equal(authorities.active().spkiSha256, second);
    // Known everywhere: it signs at once.
    const third = await importNext();
    clock.advance(1500);
    await report(second, authorities.active().certificate);
    assert.equal(authorities.active().spkiSha256, third);
    // The issuing CA above all of them is revoked: no successor is any good.
    const fourth = await importNext();
    clock.advance(1500);
    const issuing = enterprise.issuing.certificate;
    await report(fourth, issuing);
    await report(third, issuing);
    assert.deepEqual(statesOf(world), ["tainted", "tainted", "tainted", "tainted"]);
    assert.equal(authorities.health().kind, "not-issuing");
  }));

test("taint and revocation make nothing of an authority that nobody knows, or that never was one", () =>
  withOfflineWorld({}, async (world) => {
    const { authorities } = world;
    const request = await authorities.request("operator");
    const before = await snapshotOf(world);
    for (const change of ["taint", "revoke"] as const) {
      const options = { cause: "test", emergency: true };
      await assert.rejects(authorities[change]("00".repeat(32), options), refused("MCA_AUTHORITY_UNKNOWN"));
      await assert.rejects(authorities[change](request.spkiSha256, options), refused("MCA_AUTHORITY_TRANSITION"));
    }
    assert.deepEqual(await snapshotOf(world), before);
  }));

test("under a clock that is wrong nothing is tainted, revoked, imported, pruned or scheduled", () =>
  withOfflineWorld({}, async (world, enterprise) => {
    const { authorities, clock, skew } = world;
    const { spkiSha256, certificate } = authorities.active();
    const request = await authorities.request("operator");
    const files = enterprise.answer(request.csr, clock.now(), 90);
    const before = await snapshotOf(world);
    skew.ms = 11_000;
    const options = { cause: "test", emergency: true };
    for (const change of [
      () => authorities.taint(spkiSha256, options),
      () => authorities.revoke(spkiSha256, options),
      () => authorities.activate(spkiSha256, options),
      () => authorities.import(files, { cause: "test", dryRun: false }),
      () => authorities.import(files, { cause: "test", dryRun: true }),
      () => authorities.request("test", { renew: true }),
      () => authorities.rotate("test"),
      () => authorities.retire(spkiSha256, "test"),
      () => authorities.remove(spkiSha256, "test"),
      () => authorities.pruneRoot(enterprise.root.certificate.sha256, "test"),
      () => authorities.reportUpstreamRevocation({ spkiSha256, certificate, source: "CRL" }),
    ]) {
      await assert.rejects(change(), refused("MCA_CLOCK_SKEW"));
    }
    assert.deepEqual(await snapshotOf(world), before);
  }));

test("a server whose upstream was changed says so, and goes on under the authority that it has", () =>
  withWorld({}, async (world) => {
    const { clock } = world;
    const authorities = await AuthorityManager.open({ ...world.dependencies, upstream: offlineUpstream() });
    clock.advance(4 * DAY);
    assert.equal(authorities.health().kind, "ready");
    assert.match(authorities.notes()[0]?.sentence ?? "", /self-signed.*offline.*authority csr --change-upstream/);
    await rotatorOf({ ...world, authorities }).tick();
    assert.deepEqual(authorities.pendingRequests(), []);
    await authorities.close();
  }));

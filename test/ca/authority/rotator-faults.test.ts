// The rotator when things go wrong: one step that fails, a clock that jumps.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../../../src/ca/authority/backoff.ts";
import { AuthorityManager } from "../../../src/ca/authority/index.ts";
import { selfSignedUpstream, type Upstream, UpstreamError } from "../../../src/ca/upstream/index.ts";
import { makeRequest } from "../issuance/world.ts";
import { DAY, keysOf, rotatorOf, snapshotOf, statesOf, withOfflineWorld, withWorld } from "./support.ts";

test("an upstream that is away does not keep what is over: keys are destroyed and retired authorities leave", () =>
  withWorld({}, async (world) => {
    const { clock } = world;
    let away = false;
    const upstream: Upstream = {
      ...selfSignedUpstream,
      async certify(request) {
        if (away) throw new UpstreamError("MCA_UPSTREAM_UNAVAILABLE", "the upstream is away");
        return selfSignedUpstream.certify(request);
      },
    };
    const authorities = await AuthorityManager.open({ ...world.dependencies, upstream });
    const rotator = rotatorOf({ ...world, authorities });
    const { spkiSha256 } = await authorities.prepare("test");
    clock.advance(1500);
    await authorities.activate(spkiSha256, { cause: "test" });
    away = true;
    clock.advance(4 * DAY);
    assert.deepEqual(
      (await rotator.tick()).map(({ kind }) => kind),
      ["clear"],
    );
    assert.deepEqual(
      authorities.records().map(({ state }) => state),
      ["removed", "active"],
    );
    assert.deepEqual(await keysOf(world), [spkiSha256]);
    await authorities.close();
  }));

test("a clock that jumps ahead by years, and back: nothing is destroyed, unpublished or given up, and it goes on", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const rotator = rotatorOf(world);
    // In the midst of a rotation: one retired with leaves that live, one active, one imported for later, one that waits.
    const next = await authorities.request("test");
    const files = enterprise.answer(next.csr, clock.now(), 90);
    await world.issuer.issueX509Svid(makeRequest());
    await authorities.import(files, { cause: "test", dryRun: false, emergency: true });
    const later = await authorities.request("test");
    await authorities.import(enterprise.answer(later.csr, clock.now(), 120), { cause: "test", dryRun: false });
    await authorities.request("test");
    const before = await snapshotOf(world);
    for (const years of [3, -6, 3]) {
      clock.advance(years * 365 * DAY);
      await rotator.tick();
      clock.advance(3600);
      await rotator.tick();
      clock.advance(-3600);
    }
    assert.deepEqual(await snapshotOf(world), before);
    assert.deepEqual(statesOf(world), ["retired", "active", "prepared", "requested"]);
    await world.issuer.issueX509Svid(makeRequest());
  }));

test("a successor that was made under a clock that was set back since does not stand in the way of another", () =>
  withWorld({}, async (world) => {
    const { authorities, clock } = world;
    const rotator = rotatorOf(world);
    clock.advance(6.9 * DAY);
    await authorities.prepare("under a wrong clock");
    clock.advance(-3 * DAY);
    assert.deepEqual(
      (await rotator.tick()).map(({ kind }) => kind),
      ["prepare"],
    );
    const good = authorities.records().at(1)?.spkiSha256;
    clock.advance(2 * DAY);
    await rotator.tick();
    assert.equal(authorities.active().spkiSha256, good);
    assert.equal(authorities.health().kind, "ready");
  }));

test("each thing waits for itself, longer each time up to its bound, and a clock that was set back ends no wait late", () => {
  const backoff = new Backoff(10);
  assert.equal(backoff.failed("a", 1000, 60), 1);
  assert.deepEqual([backoff.isDue("a", 1019), backoff.isDue("a", 1020), backoff.isDue("b", 1000)], [false, true, true]);
  backoff.failed("a", 1020, 60);
  assert.deepEqual([backoff.isDue("a", 1059), backoff.isDue("a", 1060)], [false, true]);
  backoff.failed("a", 1060, 60);
  assert.deepEqual([backoff.isDue("a", 1119), backoff.isDue("a", 1120)], [false, true]);
  assert.ok(backoff.isDue("a", 1), "the clock was set back");
  assert.equal(backoff.failures, 3);
  backoff.forgetBut((what) => what === "b");
  assert.equal(backoff.failures, 0);
});

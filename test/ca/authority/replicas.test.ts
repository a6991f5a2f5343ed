// Two replicas on one database, one of them late with its news.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthorityManager } from "../../../src/ca/authority/index.ts";
import { DEFAULT_ISSUANCE_SETTINGS, Issuer } from "../../../src/ca/issuance/index.ts";
import { parseCertificate } from "../../../src/x509/index.ts";
import { makeRequest, type World } from "../issuance/world.ts";
import { refused, statesOf, withWorld } from "./support.ts";

/** Gives replica 2 an authority that signs, as the join procedure will, and a successor that every client knows. */
async function withSecondReplica(
  run: (world: World, second: AuthorityManager, authorities: { active: string; successor: string }) => Promise<void>,
): Promise<void> {
  await withWorld({}, async (world) => {
    const second = await AuthorityManager.open({ ...world.dependencies, replica: 2 });
    const take = async (): Promise<string> => {
      const { spkiSha256 } = await world.authorities.prepare("of replica 2");
      await world.owner.query({ name: "", text: "UPDATE authority SET replica = 2 WHERE state = 'prepared'" });
      await world.owner.query({ name: "", text: "UPDATE trust_state SET revision = revision + 1" });
      await second.refresh();
      return spkiSha256;
    };
    const active = await take();
    await second.activate(active, { cause: "test", emergency: true });
    const successor = await take();
    world.clock.advance(1500);
    await world.authorities.refresh();
    try {
      await run(world, second, { active, successor });
    } finally {
      await second.close();
    }
  });
}

const issuerOf = (world: World, authorities: AuthorityManager): Issuer =>
  new Issuer({ ...world.dependencies, authorities, settings: DEFAULT_ISSUANCE_SETTINGS });

test("a replica whose authority another one has tainted a moment ago issues under its successor, before it has heard of it", () =>
  withSecondReplica(async (world, second, { active, successor }) => {
    const issuer = issuerOf(world, second);
    await issuer.start();
    await issuer.issueX509Svid(makeRequest());
    await world.authorities.taint(active, { cause: "suspicion" });
    assert.equal(second.active().spkiSha256, active, "it has not heard of it");
    const { chain } = await issuer.issueX509Svid(makeRequest());
    assert.ok(chain[0]);
    const above = second.published().find(({ spkiSha256 }) => spkiSha256 === successor);
    assert.deepEqual(parseCertificate(chain[0]).issuer, above?.certificate.subject);
    await issuer.close();
  }));

test("a replica whose authority another one has revoked signs nothing more with it, and records nothing", () =>
  withSecondReplica(async (world, second, { active, successor }) => {
    const issuer = issuerOf(world, second);
    await issuer.start();
    await world.authorities.revoke(successor, { cause: "its host is lost" });
    await world.authorities.revoke(active, { cause: "its host is lost", emergency: true });
    const under = async (): Promise<number> =>
      (await world.entries()).filter(({ kind, authority }) => kind === "svid.x509" && authority === active).length;
    const before = await under();
    assert.equal(second.active().spkiSha256, active, "it has not heard of it");
    await assert.rejects(issuer.issueX509Svid(makeRequest()), refused("MCA_AUTHORITY_MISSING"));
    assert.equal(await under(), before);
    await issuer.close();
  }));

test("changes of two replicas at once: each authority is in one state, and whoever comes second is told", () =>
  withSecondReplica(async (world, second, { active, successor }) => {
    const results = await Promise.allSettled([
      world.authorities.taint(active, { cause: "one admin" }),
      second.activate(successor, { cause: "rotation" }),
      world.authorities.revoke(successor, { cause: "another admin" }),
      second.prepare("rotation"),
      world.authorities.prepare("rotation"),
    ]);
    for (const result of results) {
      if (result.status === "rejected") assert.match(result.reason.code, /^MCA_AUTHORITY_/);
    }
    await Promise.all([world.authorities.refresh(), second.refresh()]);
    assert.deepEqual(
      world.authorities.records().map(({ spkiSha256, state }) => [spkiSha256, state]),
      second.records().map(({ spkiSha256, state }) => [spkiSha256, state]),
    );
    assert.equal(world.authorities.trustSet().sequence, second.trustSet().sequence);
    assert.ok(statesOf(world).filter((state) => state === "active").length <= 2);
    assert.equal(world.authorities.health().kind, "ready");
  }));

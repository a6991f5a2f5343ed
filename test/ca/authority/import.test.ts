import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { AuthorityManager, type ImportReport, takeoverTime } from "../../../src/ca/authority/index.ts";
import { offlineUpstream, selfSignedUpstream, UpstreamError } from "../../../src/ca/upstream/index.ts";
import { X509SvidVerifier } from "../../../src/spiffe/index.ts";
import { parseCertificate } from "../../../src/x509/index.ts";
import { Enterprise } from "../../support/enterprise.ts";
import { makeRequest } from "../issuance/world.ts";
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

const firstStart = { upstream: offlineUpstream(), uninitialised: true } as const;
const real = { cause: "ceremony", dryRun: false } as const;

function accepted(report: ImportReport): Extract<ImportReport, { kind: "accepted" }> {
  if (report.kind === "accepted") return report;
  throw new assert.AssertionError({ message: JSON.stringify(report.findings) });
}
function findings(report: ImportReport) {
  assert.equal(report.kind, "refused");
  return report.kind === "refused" ? report.findings : [];
}

test("the import of the first authority activates it at once, with a probe on record before it is believed", () =>
  withWorld(firstStart, async (world) => {
    const { authorities, clock } = world;
    const { request, spkiSha256 } = await AuthorityManager.initialise(world.dependencies);
    assert.ok(request);
    const enterprise = new Enterprise({ now: clock.now() });
    const report = accepted(await authorities.import(enterprise.answer(request.csr, clock.now(), 90), real));
    assert.deepEqual(
      { ...report, warnings: [] },
      {
        kind: "accepted",
        spkiSha256,
        path: ["CN=Corp Mesh CA 1", "CN=Corp Issuing CA", "CN=Corp Root"],
        endsAt: clock.now() + 90 * DAY * 1000,
        warnings: [],
        activated: true,
        dryRun: false,
      },
    );
    assert.equal(authorities.active().spkiSha256, spkiSha256);
    assert.equal(authorities.revision, 1n);
    assert.deepEqual(await administrative(world), [
      "authority.requested",
      "authority.imported",
      "authority.prepared",
      "authority.activated",
    ]);
    const probes = (await world.entries()).filter(({ kind }) => kind === "svid.probe");
    assert.equal(probes.length, 1);
    assert.equal(probes[0]?.["spiffeId"], "spiffe://example.test/mesh-ca/probe");
    assert.equal(probes[0]?.["authority"], spkiSha256);

    // A leaf under it, as a client sees it: the enterprise's subject and key id stand in it byte for byte, the root does not.
    const issued = await world.issuer.issueX509Svid(makeRequest());
    const [leaf, ca, issuing, ...rest] = issued.chain.map((der) => parseCertificate(der));
    assert.ok(leaf && ca && issuing);
    assert.deepEqual(rest, []);
    assert.deepEqual(leaf.issuer, ca.subject);
    assert.deepEqual(leaf.authorityKeyId, ca.subjectKeyId);
    assert.deepEqual([ca.subjectKeyId?.[0], ca.subjectKeyId?.[19]], [1, 20]);
    new X509SvidVerifier(authorities.trustSet()).verify([leaf, ca, issuing], clock.now());
  }));

test("a dry run tells the same and changes nothing", () =>
  withWorld(firstStart, async (world) => {
    const { authorities, clock } = world;
    const { request } = await AuthorityManager.initialise(world.dependencies);
    assert.ok(request);
    await authorities.refresh();
    const enterprise = new Enterprise({ now: clock.now() });
    const good = enterprise.answer(request.csr, clock.now(), 90);
    const bad = enterprise.answer(request.csr, clock.now(), 90, { keyUsage: ["keyCertSign"] });
    const before = await snapshotOf(world);
    const told = accepted(await authorities.import(good, { ...real, dryRun: true }));
    const wrong = findings(await authorities.import(bad, { ...real, dryRun: true }));
    assert.deepEqual(await snapshotOf(world), before);
    assert.ok(told.activated && told.dryRun);
    assert.ok(told.warnings.some(({ rule, found }) => rule === "probe" && /dry run signs/.test(found)));
    assert.deepEqual(findings(await authorities.import(bad, real)), wrong);
    assert.deepEqual(await snapshotOf(world), before);
    const done = accepted(await authorities.import(good, real));
    const { warnings: _told, dryRun: _dry, ...same } = told;
    const { warnings: _done, dryRun: _wet, ...rest } = done;
    assert.deepEqual(rest, same);
  }));

test("while one waits the present authority issues; the import makes it prepared, and it follows at five sixths", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const first = authorities.active();
    const rotator = rotatorOf(world);
    clock.advance(46 * DAY);
    await rotator.tick();
    const [request] = authorities.pendingRequests();
    assert.ok(request);
    const options = { ...real, dryRun: true };
    const files = enterprise.answer(request.csr, clock.now(), 90);
    const activatesAt = first.certificate.notBefore + ((first.endsAt - first.certificate.notBefore) * 5) / 6;
    assert.equal(accepted(await authorities.import(files, options)).activatesAt, activatesAt);
    const report = accepted(await authorities.import(files, real));
    assert.equal(report.activated, false);
    assert.equal(report.activatesAt, activatesAt);
    const takeovers = authorities.records().map((each) => takeoverTime(each, authorities.records(), world.settings));
    assert.deepEqual(takeovers, [undefined, activatesAt]);
    assert.deepEqual(statesOf(world), ["active", "prepared"]);
    assert.equal(authorities.active().spkiSha256, first.spkiSha256);
    // The same root: the bundle says the same as before.
    assert.equal(authorities.trustSet().sequence, 1n);
    clock.advance((activatesAt - clock.now()) / 1000 - 1);
    await rotator.tick();
    assert.equal(authorities.active().spkiSha256, first.spkiSha256);
    clock.advance(2);
    await rotator.tick();
    assert.equal(authorities.active().spkiSha256, request.spkiSha256);
    clock.advance(2 * DAY);
    await rotator.tick();
    assert.deepEqual(statesOf(world), ["removed", "active"]);
    assert.deepEqual(await keysOf(world), [request.spkiSha256]);
  }));

test("what breaks a rule is named, all of it, and leaves the request open for a better answer", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const request = await authorities.request("operator");
    const before = await snapshotOf(world);
    const found = findings(
      await authorities.import(
        enterprise.answer(request.csr, clock.now(), 3, { keyUsage: ["keyCertSign"], subjectKeyId: null }),
        real,
      ),
    );
    const errors = found.filter(({ severity }) => severity === "error");
    assert.ok(errors.length >= 3, JSON.stringify(found));
    assert.ok(errors.every(({ certificate }) => /Corp Mesh CA/.test(certificate)));
    // The arithmetic of the lifetime is in the sentence.
    assert.ok(
      errors.some((each) => /86400 s \+ 2 x clock skew 60 s/.test(JSON.stringify(each))),
      JSON.stringify(found),
    );
    assert.deepEqual(await snapshotOf(world), before);
    assert.equal(
      accepted(await authorities.import(enterprise.answer(request.csr, clock.now(), 90), real)).kind,
      "accepted",
    );
  }));

test("L ends at the earliest end of the whole path: a root that ends too soon refuses the import", () =>
  withWorld(firstStart, async (world) => {
    const { request } = await AuthorityManager.initialise(world.dependencies);
    assert.ok(request);
    const enterprise = new Enterprise({ now: world.clock.now(), rootDays: 6 });
    const found = findings(await world.authorities.import(enterprise.answer(request.csr, world.clock.now(), 90), real));
    assert.ok(
      found.some((each) => /518401 s \/ 6|sixth/.test(JSON.stringify(each))),
      JSON.stringify(found),
    );
    assert.equal(world.authorities.health().kind, "not-issuing");
  }));

test("importing twice, for a tainted and for a removed authority, is answered clearly and changes nothing", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const request = await authorities.request("operator");
    const signed = enterprise.sign(request.csr, clock.now(), 90);
    accepted(await authorities.import(enterprise.bundle(signed), real));
    const again = async (): Promise<string> => {
      const before = await snapshotOf(world);
      const [finding] = findings(await authorities.import(enterprise.bundle(signed), real));
      assert.deepEqual(await snapshotOf(world), before);
      return finding?.found ?? "";
    };
    assert.match(await again(), /brought in before: .* is prepared since 20/);
    await authorities.taint(request.spkiSha256, { cause: "test" });
    assert.match(await again(), /is tainted since/);
    await authorities.revoke(request.spkiSha256, { cause: "test" });
    assert.match(await again(), /is removed since/);
    // Another certificate for the key that was revoked: the enterprise may sign it again, we do not believe it.
    const files = enterprise.answer(request.csr, clock.now(), 30);
    assert.match(findings(await authorities.import(files, real))[0]?.found ?? "", /key that has one: .* is removed/);
  }));

test("a certificate for another replica's request is refused with the replica's number", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const request = await world.authorities.request("operator");
    const other = await AuthorityManager.open({ ...world.dependencies, replica: 2 });
    const files = enterprise.answer(request.csr, world.clock.now(), 90);
    const [finding] = findings(await other.import(files, real));
    assert.match(finding?.found ?? "", /replica 1/);
    assert.match(finding?.expected ?? "", /bring this one to replica 1/);
    await other.close();
    assert.deepEqual(statesOf(world), ["active", "requested"]);
  }));

test("an import without the key is refused before anything changes", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const request = await world.authorities.request("operator");
    await rm(join(world.keyDirectory, `${request.spkiSha256}.pkcs8.pem`));
    const before = await snapshotOf(world);
    await assert.rejects(world.authorities.import(enterprise.answer(request.csr, world.clock.now(), 90), real), {
      code: "MCA_KEY_NOT_FOUND",
    });
    assert.deepEqual(await snapshotOf(world), before);
  }));

test("a private key among the files is refused", () =>
  withOfflineWorld({}, async (world, enterprise) => {
    const bytes = Buffer.from(enterprise.root.keyPem);
    await assert.rejects(
      world.authorities.import([{ name: "root.key", bytes }], real),
      (error) => error instanceof UpstreamError && error.code === "MCA_IMPORT_PRIVATE_KEY",
    );
  }));

test("a probe that a verifier refuses refuses the import, destroys nothing, and leaves the request open", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { clock } = world;
    let complaint: string | undefined = "unable to get local issuer certificate";
    const seen: number[] = [];
    const authorities = await AuthorityManager.open({
      ...world.dependencies,
      async probeVerifier({ chain, anchor, key, time }) {
        seen.push(chain.length);
        assert.equal(key.type, "private");
        assert.deepEqual(Buffer.from(anchor), Buffer.from(enterprise.root.der));
        assert.equal(time, clock.now());
        if (complaint !== undefined) throw new Error(complaint);
      },
    });
    const request = await authorities.request("operator");
    const files = enterprise.answer(request.csr, clock.now(), 90);
    const [finding] = findings(await authorities.import(files, real));
    assert.equal(finding?.rule, "probe");
    assert.match(finding?.found ?? "", /OpenSSL refuses it: unable to get local issuer/);
    assert.deepEqual(
      authorities.records().map(({ state }) => state),
      ["active", "requested"],
    );
    assert.equal(authorities.health().kind, "ready");
    complaint = undefined;
    accepted(await authorities.import(files, real));
    assert.deepEqual(seen, [3, 3]);
    await authorities.close();
  }));

test("an emergency import signs at once; an import after the end needs --recover and does too", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const urgent = await authorities.request("operator");
    accepted(await authorities.import(enterprise.answer(urgent.csr, clock.now(), 90), { ...real, emergency: true }));
    assert.equal(authorities.active().spkiSha256, urgent.spkiSha256);
    const late = await authorities.request("operator");
    clock.advance(95 * DAY);
    const files = enterprise.answer(late.csr, clock.now(), 90);
    await assert.rejects(authorities.import(files, real), refused("MCA_AUTHORITY_EXPIRED"));
    const report = accepted(await authorities.import(files, { ...real, recovery: true }));
    assert.ok(report.activated);
    assert.equal(authorities.active().spkiSha256, late.spkiSha256);
    await world.issuer.issueX509Svid(makeRequest());
  }));

test("another root enters the bundle with the prepared authority, and the old one leaves with the last under it", () =>
  withOfflineWorld({ days: 90 }, async (world, old) => {
    const { authorities, clock } = world;
    const rotator = rotatorOf(world);
    const next = new Enterprise({ now: clock.now(), name: "New" });
    const request = await authorities.request("the enterprise changes its root");
    const anchors = (): readonly string[] => authorities.trustSet().anchors.map(({ sha256 }) => sha256);
    assert.deepEqual(anchors(), [old.root.certificate.sha256]);
    accepted(await authorities.import(next.answer(request.csr, clock.now(), 90), real));
    assert.deepEqual(anchors(), [old.root.certificate.sha256, next.root.certificate.sha256]);
    assert.equal(authorities.trustSet().sequence, 2n);
    await assert.rejects(authorities.pruneRoot(old.root.certificate.sha256, "operator"), refused("MCA_ANCHOR_IN_USE"));
    const { activatesAt } = await authorities.rotate("root change");
    assert.equal(activatesAt, clock.now() + 1_500_000);
    const takeovers = authorities.records().map((each) => takeoverTime(each, authorities.records(), world.settings));
    assert.deepEqual(takeovers, [undefined, activatesAt]);
    clock.advance(1499);
    await rotator.tick();
    assert.deepEqual(statesOf(world), ["active", "prepared"]);
    clock.advance(1);
    await rotator.tick();
    assert.deepEqual(statesOf(world), ["retired", "active"]);
    assert.equal(anchors().length, 2);
    clock.advance(2 * DAY);
    await rotator.tick();
    assert.deepEqual(anchors(), [next.root.certificate.sha256]);
    assert.equal(authorities.trustSet().sequence, 3n);
  }));

test("a request for another upstream comes only by an operator's word, and the present one goes on meanwhile", () =>
  withWorld({ upstream: selfSignedUpstream }, async (world) => {
    const { clock } = world;
    const authorities = await AuthorityManager.open({ ...world.dependencies, upstream: offlineUpstream() });
    const request = await authorities.request("to the enterprise's PKI", { changeUpstream: true });
    const enterprise = new Enterprise({ now: clock.now() });
    accepted(await authorities.import(enterprise.answer(request.csr, clock.now(), 90), real));
    const { spkiSha256 } = await authorities.rotate("to the enterprise's PKI");
    assert.equal(spkiSha256, request.spkiSha256);
    clock.advance(1500);
    await rotatorOf({ ...world, authorities }).tick();
    assert.equal(authorities.active().spkiSha256, spkiSha256);
    await authorities.request("the next");
    await authorities.close();
  }));

test("a root may be pruned when nothing valid is under it; it comes back only by an operator's word", () =>
  withOfflineWorld({ days: 90 }, async (world, old) => {
    const { authorities, clock } = world;
    const oldRoot = old.root.certificate.sha256;
    await assert.rejects(authorities.pruneRoot("00".repeat(32), "operator"), refused("MCA_ANCHOR_UNKNOWN"));
    await world.issuer.issueX509Svid(makeRequest());
    const next = new Enterprise({ now: clock.now(), name: "New" });
    const request = await authorities.request("root change");
    const first = authorities.active().spkiSha256;
    accepted(await authorities.import(next.answer(request.csr, clock.now(), 90), { ...real, emergency: true }));
    await assert.rejects(authorities.pruneRoot(oldRoot, "operator"), (error: Error) => {
      assert.ok(refused("MCA_ANCHOR_IN_USE")(error));
      return error.message.includes(first) && /CN=Corp Root.*still valid/.test(error.message);
    });
    // The leaf lives for an hour; the rotator would leave the retired one for a day.
    clock.advance(3601 + 60);
    await authorities.pruneRoot(oldRoot, "operator");
    await authorities.pruneRoot(oldRoot, "operator");
    assert.deepEqual(statesOf(world), ["removed", "active"]);
    assert.deepEqual(await keysOf(world), [request.spkiSha256]);
    assert.deepEqual(
      authorities.trustSet().anchors.map(({ sha256 }) => sha256),
      [next.root.certificate.sha256],
    );
    assert.ok(!authorities.trustSetForExpired().anchors.some(({ sha256 }) => sha256 === oldRoot));
    assert.equal((await administrative(world)).filter((kind) => kind === "bundle.pruned").length, 1);
    const back = await authorities.request("back");
    const files = old.answer(back.csr, clock.now(), 90);
    assert.equal(findings(await authorities.import(files, real))[0]?.rule, "pruned");
    accepted(await authorities.import(files, { ...real, recovery: true }));
    assert.equal(authorities.trustSet().anchors.length, 2);
  }));

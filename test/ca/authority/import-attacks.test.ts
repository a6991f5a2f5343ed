// What may come back instead of the answer that was asked for, and what may happen while it comes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthorityManager, type ImportReport } from "../../../src/ca/authority/index.ts";
import { subjectAltNameExtension } from "../../../src/x509/index.ts";
import { Enterprise } from "../../support/enterprise.ts";
import { DAY, keysOf, refused, snapshotOf, statesOf, withOfflineWorld } from "./support.ts";

const real = { cause: "ceremony", dryRun: false } as const;

function accepted(report: ImportReport): Extract<ImportReport, { kind: "accepted" }> {
  if (report.kind === "accepted") return report;
  throw new assert.AssertionError({ message: JSON.stringify(report.findings) });
}
const errors = (report: ImportReport): readonly string[] => {
  assert.equal(report.kind, "refused");
  const found = report.kind === "refused" ? report.findings : [];
  return found
    .filter(({ severity }) => severity === "error")
    .map((each) => `${each.rule}: ${each.found}; ${each.expected}`);
};

test("a bundle that holds our earlier authorities beside the new one is taken; they are left out, and told", () =>
  withOfflineWorld({ days: 90 }, async ({ authorities, clock }, enterprise) => {
    const earlier = authorities.active().certificate;
    const request = await authorities.request("operator");
    const files = enterprise.answer(request.csr, clock.now(), 90);
    const report = accepted(await authorities.import([{ name: "earlier.cer", bytes: earlier.der }, ...files], real));
    assert.equal(report.spkiSha256, request.spkiSha256);
    assert.ok(report.warnings.some(({ rule, certificate }) => rule === "chain" && /earlier\.cer/.test(certificate)));
  }));

test("an answer to a request that was given up is told as one, with what to bring instead", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const old = await authorities.request("operator");
    await authorities.request("the sheet was lost", { renew: true });
    const before = await snapshotOf(world);
    const [told = ""] = errors(await authorities.import(enterprise.answer(old.csr, clock.now(), 90), real));
    assert.match(
      told,
      /^request: an answer to a request that was given up, its key destroyed: .*authority csr prints it/,
    );
    assert.deepEqual(await snapshotOf(world), before);
  }));

test("a CA certificate that was renewed for the key of the active authority is refused: it is followed, never renewed", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const [present] = authorities.records();
    assert.ok(present?.csr);
    const renewed = enterprise.answer(present.csr, clock.now(), 300);
    const before = await snapshotOf(world);
    const [told = ""] = errors(await authorities.import(renewed, real));
    assert.match(told, /another certificate for a key that has one: .* is active .*never renewed/);
    assert.deepEqual(await snapshotOf(world), before);
  }));

test("two answers to one request at the same time: one becomes the authority, the other is told so", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const request = await authorities.request("operator");
    const answers = [90, 120].map((days) => enterprise.answer(request.csr, clock.now(), days));
    const reports = await Promise.all(answers.map((files) => authorities.import(files, real)));
    const done = reports.filter(({ kind }) => kind === "accepted");
    const other = reports.find(({ kind }) => kind === "refused");
    assert.equal(done.length, 1);
    assert.ok(other !== undefined);
    assert.match(errors(other)[0] ?? "", /another certificate for a key that has one: .* is prepared/);
    assert.deepEqual(statesOf(world), ["active", "prepared"]);
  }));

test("both answers in one import: the one that lasts longer is taken, and the choice is told", () =>
  withOfflineWorld({ days: 90 }, async ({ authorities, clock }, enterprise) => {
    const request = await authorities.request("operator");
    const [short, long] = [90, 120].map((days) => enterprise.answer(request.csr, clock.now(), days));
    const report = accepted(await authorities.import([...(short ?? []), ...(long ?? [])], real));
    assert.equal(report.endsAt, clock.now() + 120 * DAY * 1000);
    assert.ok(report.warnings.some(({ found }) => /another certificate for the same key/.test(found)));
  }));

test("a chain that begins in the future, or is another trust domain's, is refused with what was found and expected", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const request = await authorities.request("operator");
    const before = await snapshotOf(world);
    const future = enterprise.answer(request.csr, clock.now(), 90, { notBefore: clock.now() + DAY * 1000 });
    assert.match(
      errors(await authorities.import(future, real)).join("\n"),
      /^not-yet-valid: notBefore .*; a time before/m,
    );
    const foreign = enterprise.answer(request.csr, clock.now(), 90, {
      extraExtensions: [subjectAltNameExtension([{ kind: "uri", value: "spiffe://other.test" }], false)],
    });
    assert.match(errors(await authorities.import(foreign, real)).join("\n"), /spiffe-id: .*spiffe:\/\/other\.test/);
    assert.deepEqual(await snapshotOf(world), before);
  }));

test("the word that the root is dedicated silences the warning about it, and nothing else", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { clock } = world;
    const request = await world.authorities.request("operator");
    const files = enterprise.answer(request.csr, clock.now(), 90);
    const rules = async (dedicatedRoot: boolean): Promise<readonly string[]> => {
      const authorities = await AuthorityManager.open({ ...world.dependencies, dedicatedRoot });
      const report = accepted(await authorities.import(files, { ...real, dryRun: true }));
      await authorities.close();
      return report.warnings.map(({ rule }) => rule);
    };
    const without = await rules(false);
    assert.ok(without.includes("dedicated-root"));
    assert.deepEqual(
      await rules(true),
      without.filter((rule) => rule !== "dedicated-root"),
    );
  }));

test("two admins at once, taint and rotate and revoke: each change is whole, and who comes late is told what to do", () =>
  withOfflineWorld({ days: 90 }, async (world, enterprise) => {
    const { authorities, clock } = world;
    const first = authorities.active().spkiSha256;
    const request = await authorities.request("operator");
    await authorities.import(enterprise.answer(request.csr, clock.now(), 90), real);
    clock.advance(1500);
    const results = await Promise.allSettled([
      authorities.taint(first, { cause: "one admin" }),
      authorities.rotate("another admin"),
      authorities.revoke(first, { cause: "one admin" }),
      authorities.revoke(request.spkiSha256, { cause: "another admin" }),
      authorities.request("one admin"),
    ]);
    const codes = results.map((result) => (result.status === "fulfilled" ? "done" : result.reason.code));
    assert.deepEqual(codes, ["done", "MCA_AUTHORITY_NO_SUCCESSOR", "done", "MCA_AUTHORITY_NO_SUCCESSOR", "done"]);
    assert.deepEqual(statesOf(world), ["removed", "active", "requested"]);
    assert.equal(authorities.active().spkiSha256, request.spkiSha256);
    assert.equal((await keysOf(world)).length, 2);
  }));

test("another replica prunes the root while an answer under it is tried: nothing is prepared that nobody could verify", () =>
  withOfflineWorld({ days: 90 }, async (world) => {
    const { clock } = world;
    const next = new Enterprise({ now: clock.now(), name: "New" });
    let meanwhile = async (): Promise<void> => {};
    const authorities = await AuthorityManager.open({
      ...world.dependencies,
      probeVerifier: () => meanwhile(),
    });
    const request = await authorities.request("root change");
    meanwhile = async () => {
      await world.owner.query(
        { name: "", text: "UPDATE trust_state SET pruned_anchors = pruned_anchors || $1::bytea" },
        [Buffer.from(next.root.certificate.sha256, "hex")],
      );
    };
    await assert.rejects(
      authorities.import(next.answer(request.csr, clock.now(), 90), real),
      (error: Error) => refused("MCA_ANCHOR_UNKNOWN")(error) && /--recover/.test(error.message),
    );
    assert.deepEqual(
      authorities.records().map(({ state }) => state),
      ["active", "requested"],
    );
    await authorities.close();
  }));

test("another replica prepares an authority under a root while this one prunes it: the root stays, and why is told", () =>
  withOfflineWorld({ days: 90 }, async (world, old) => {
    const { clock, ledger } = world;
    const first = await world.authorities.request("root change");
    const next = new Enterprise({ now: clock.now(), name: "New" });
    await world.authorities.import(next.answer(first.csr, clock.now(), 90), { ...real, emergency: true });
    clock.advance(120);
    const late = new Proxy(ledger, {
      get: (of, name) => {
        const value: unknown = Reflect.get(of, name, of);
        if (name !== "transact") return typeof value === "function" ? value.bind(of) : value;
        return async (run: Parameters<typeof ledger.transact>[0]) => {
          await world.owner.query(
            {
              name: "",
              text: `INSERT INTO authority (spki_sha256, replica, state, upstream, certificate, intermediates, anchor, created_at)
                SELECT sha256('another'), 2, 'prepared', upstream, certificate, intermediates, anchor, created_at
                FROM authority WHERE sha256(anchor) = $1`,
            },
            [Buffer.from(old.root.certificate.sha256, "hex")],
          );
          return await ledger.transact(run);
        };
      },
    });
    const authorities = await AuthorityManager.open({ ...world.dependencies, ledger: late });
    await assert.rejects(
      authorities.pruneRoot(old.root.certificate.sha256, "operator"),
      (error: Error) => refused("MCA_ANCHOR_IN_USE")(error) && /prepared under it meanwhile/.test(error.message),
    );
    assert.equal(authorities.trustSet().anchors.length, 2);
    await authorities.close();
  }));

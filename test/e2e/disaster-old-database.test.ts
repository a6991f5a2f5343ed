// docs/disaster-recovery.md, "Old database restored", drilled: certificates are out there that the ledger does not hold, and what was
// ended after the backup is open again.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createCsr, decodePem, parseCertificate } from "../../src/x509/index.ts";
import { callBoth, Drill, issuerOf, renewalRefused, renewed, verdictOf, type Workload } from "./disaster-drill.ts";
import { closeClients, connect, type Identity, identityOf, issue, newKey, refusal, renew, until } from "./fixture.ts";

const REASON = "old database restored";

describe("Old database restored", () => {
  let drill: Drill;
  /** Renewed after the backup. */
  let shop: Workload;
  /** Not renewed since. */
  let till: Workload;
  let twin: Identity;
  let redeemed: string;
  let first: string;

  before(async () => {
    drill = await Drill.begin();
    [shop, till] = [await drill.join("shop"), await drill.join("till")];
    await drill.fetch("cart");
    first = issuerOf(shop);
    twin = await enrol("twin");
    redeemed = readFileSync(await drill.token("late"), "utf8").trim();
    drill.turnTo("Before it happens");
    await drill.step("cp -a");
    // What happens after the backup, and is lost with it.
    await renewed(shop);
    await drill.shell("npx mesh-ca svid fetch --token-file late.token --out late");
    const copy = await renew(connect(drill.address, twin));
    await renew(connect(drill.address, copy));
    assert.equal((await refusal(renew(connect(drill.address, twin)))).mca, "MCA_LINEAGE_FROZEN");
    drill.turnTo("Old database restored");
  });
  after(async () => {
    closeClients();
    await drill.close();
  });

  /** By the bare API: an identity that follows nothing. */
  async function enrol(service: string): Promise<Identity> {
    const key = newKey();
    const value = readFileSync(await drill.token(service), "utf8").trim();
    const evidence = { $case: "joinToken", value } as const;
    return identityOf(await issue(connect(drill.address), { csr: createCsr({ key }), evidence }), key);
  }

  test("the backup is whole, and the log knows who got what it lacks", async () => {
    await drill.step("cp -a");
    const said = await drill.step("journalctl");
    assert.match(said, /spiffe:\/\/example\.test\/shop/);
    assert.match(said, /spiffe:\/\/example\.test\/late/);
    assert.match(said, /spiffe:\/\/example\.test\/twin/);
    assert.doesNotMatch(said, /spiffe:\/\/example\.test\/till/, "the backup knows it as it is");
  });

  test("it begins with the port closed to others, and what could be redeemed once more is void", async () => {
    await drill.step("set-environment");
    assert.equal(await renewalRefused(till), "MCA_SERVER_UNAVAILABLE", "nobody from elsewhere reaches it");
    await drill.step("unset-environment");
    const refused = await refusal(
      issue(connect(drill.address), {
        csr: createCsr({ key: newKey() }),
        evidence: { $case: "joinToken", value: redeemed },
      }),
    );
    assert.equal(refused.mca, "MCA_TOKEN_VOIDED");
  });

  test("what the ledger lacks is noticed as soon as a client comes back with it", async () => {
    await drill.step("svid.unrecorded");
    assert.match(await drill.log(), /"event":"svid\.unrecorded"[^\n]*spiffe:\/\/example\.test\/shop/);
    assert.doesNotMatch(await drill.log(), /"event":"svid\.unrecorded"[^\n]*spiffe:\/\/example\.test\/till/);
  });

  test("who renewed after the backup renews no more; who did not goes on; both still accept each other", async () => {
    assert.equal(await renewalRefused(shop), "MCA_SVID_UNRECORDED");
    await renewed(till);
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
  });

  test("a lineage that was frozen after the backup is open again, until both holders have been seen again", async () => {
    const one = await renew(connect(drill.address, twin));
    await renew(connect(drill.address, one));
    assert.equal((await refusal(renew(connect(drill.address, twin)))).mca, "MCA_LINEAGE_FROZEN");
  });

  test("with a new token they begin anew, and nobody else has to do anything", async () => {
    await drill.step("token create");
    await drill.token("shop", "shop-sdk.token");
    await shop.source.renew();
    assert.equal(issuerOf(shop), first, "under the same authority");
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
  });

  test("another authority without an outage, and what is not recorded verifies nowhere", {
    timeout: 120_000,
  }, async () => {
    const late = decodePem(readFileSync(join(drill.folder, "late/current/svid.pem"), "utf8")).map(({ der }) =>
      parseCertificate(der),
    );
    assert.equal(verdictOf(shop, late, "spiffe://example.test/late"), "accepted");
    await drill.step("authority taint");
    await drill.step("authority revoke", () =>
      until(() => [shop, till].every((each) => issuerOf(each) !== first), "both have renewed", 60_000),
    );
    await until(() => verdictOf(shop, late, "spiffe://example.test/late") !== "accepted", "the revocation is told");
    assert.deepEqual(await drill.states(), ["removed", "active"]);
    assert.match(await drill.shell("npx mesh-ca authority list --all --reason look"), new RegExp(REASON));
    await Promise.all([shop, till].map(renewed));
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
    const recorded = (await drill.recorded("--limit 1000")).map(({ serial }) => serial);
    for (const { source } of [shop, till]) assert.ok(recorded.includes(source.current().serial));
    drill.finish();
  });
});

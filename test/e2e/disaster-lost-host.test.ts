// docs/disaster-recovery.md, "Lost host", drilled: the machine and its keys are gone, the database is a PostgreSQL elsewhere.
import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseTrustFile } from "../../src/spiffe/index.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { forge, stolenAuthority } from "../support/stolen-authority.ts";
import {
  call,
  callBoth,
  Drill,
  issuerOf,
  renewalRefused,
  renewed,
  verdictOf,
  type Workload,
} from "./disaster-drill.ts";
import { until } from "./fixture.ts";

describe("Lost host", () => {
  let drill: Drill;
  let database: TestDatabase;
  let shop: Workload;
  let till: Workload;
  let first: string;

  before(async () => {
    database = await createTestDatabase();
    drill = await Drill.begin({
      // The new authority signs when the page says so, and not by itself while this machine starts the page's commands.
      authority: { propagationFloorSeconds: 300 },
      environment: { MESH_CA_DATABASE__URL: database.connectionString },
    });
    [shop, till] = [await drill.join("shop"), await drill.join("till")];
    await drill.fetch("cart");
    first = issuerOf(shop);
    drill.turnTo("Before it happens");
    await drill.step("cp -a");
    drill.finish();
    drill.turnTo("Lost host");
    await drill.shell(`systemctl stop mesh-ca`);
    renameSync(drill.data, join(drill.folder, "taken"));
  });
  after(async () => {
    await drill.close();
    await database.close();
  });

  test("a new machine with the old database issues nothing, and says why", async () => {
    await drill.step("install -d");
    assert.notEqual(await renewalRefused(shop), "renewed");
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"], "what they hold goes on");
  });

  test("with a backup of the keys the same authority issues again, and clients notice an outage and no more", async () => {
    await drill.step("mesh-ca-backup/keys");
    await renewed(shop);
    assert.equal(issuerOf(shop), first);
    assert.deepEqual(await drill.states(), ["active"]);
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
  });

  test("without one a new authority begins in the same trust domain, and the ledger goes on", async () => {
    const before = await drill.recorded();
    await drill.token("late", "early.token");
    await drill.shell("systemctl stop mesh-ca");
    rmSync(drill.data, { recursive: true });
    await drill.shell('install -d -m 0711 "$MESH_CA_DATA_DIR"\nsystemctl start mesh-ca');
    await drill.step("prepare --recover");
    assert.deepEqual(await drill.states(), ["retired", "active"]);
    const serials = (await drill.recorded()).map(({ serial }) => serial);
    assert.ok(
      before.length > 0 && before.every(({ serial }) => serials.includes(serial)),
      "nothing of the record is lost",
    );
    const transitions = await drill.shell("npx mesh-ca authority list --reason look");
    assert.match(transitions, /host lost/, "why is on record");
  });

  test("a token from before is void", async () => {
    const output = await drill.shell("npx mesh-ca svid fetch --token-file early.token --out early || true");
    assert.match(output, /MCA_SERVER_UNTRUSTED|MCA_TOKEN_VOIDED/);
  });

  test("clients refuse the server until they have a new token; whoever has begun anew is refused by whoever has not", async () => {
    assert.equal(await renewalRefused(shop), "MCA_SERVER_UNTRUSTED");
    assert.equal(await renewalRefused(till), "MCA_SERVER_UNTRUSTED");
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"], "those who have not are at one");
    await drill.token("shop", "shop-sdk.token");
    await shop.source.renew();
    assert.notEqual(issuerOf(shop), first);
    assert.equal(
      verdictOf(shop, till.source.current().chain, till.id),
      "accepted",
      "the old authority is published still",
    );
    assert.equal(await call(till, shop), "MCA_SVID_UNTRUSTED");
    assert.equal(await call(shop, till), "refused");
  });

  test("with a new token in the file of the old one a running client begins anew by itself", async () => {
    await drill.token("till", "till-sdk.token");
    await till.source.renew();
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
  });

  test("the commands that make a workload begin anew", async () => {
    await drill.step("token create");
    assert.equal((await drill.recorded("--id spiffe://example.test/cart")).length, 2);
    await drill.step("bundle export");
    const trust = parseTrustFile(readFileSync(join(drill.folder, "trust.json"), "utf8"));
    assert.ok(trust.authorities?.some(({ publicKey }) => publicKey.spkiSha256 === issuerOf(shop)));
  });

  test("the old authority goes, and whoever has the old machine's disk is believed by nobody who has begun anew", async () => {
    const authority = shop.source.trust().authorities?.find(({ publicKey }) => publicKey.spkiSha256 === first);
    assert.ok(authority !== undefined);
    const thief = forge(stolenAuthority(join(drill.folder, "taken/keys"), authority), till.id);
    assert.equal(verdictOf(shop, [thief.certificate], till.id), "accepted", "until it is revoked");
    await drill.step("authority revoke");
    await until(() => verdictOf(shop, [thief.certificate], till.id) !== "accepted", "it is told");
    assert.deepEqual(await drill.states(), ["removed", "active"]);
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
    drill.finish();
  });
});

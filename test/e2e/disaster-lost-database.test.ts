// docs/disaster-recovery.md, "Lost database", drilled: the keys are there, the record is not. The authorities are signed by an enterprise's
// issuing CA, so that old and new ones are under one root: mesh-ca's verifiers must tell them apart all the same.
import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type TrustSet, X509SvidVerifier } from "../../src/spiffe/index.ts";
import { type Certificate, oid } from "../../src/x509/index.ts";
import { Enterprise } from "../support/enterprise.ts";
import { chainPem, createCertificate, createRoot } from "../support/pki.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { forge, stolenAuthority } from "../support/stolen-authority.ts";
import { callBoth, Drill, issuerOf, renewalRefused, verdictOf, type Workload } from "./disaster-drill.ts";

describe("Lost database", () => {
  let drill: Drill;
  let cart: Workload;
  let shop: Workload;
  let machine: Workload;
  let oldAuthority: Certificate;
  let oldTrust: TrustSet;
  const enterprise = new Enterprise({ now: Date.now() });
  const hosts = createRoot({ subject: "Hosts Root" });

  before(async () => {
    const files = { ca: "issuing-ca.pem", key: "issuing-ca.key", hosts: "hosts.pem" };
    drill = await Drill.prepare((folder) => ({
      authority: {
        upstream: "disk",
        disk: { certificateFile: join(folder, files.ca), keyFile: join(folder, files.key) },
      },
      changes: {
        attestors: { token: { kind: "join-token" }, corp: { kind: "x509", caFile: join(folder, files.hosts) } },
        rules: [
          { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
          {
            name: "machines",
            match: { "corp.commonName": "*" },
            spiffeId: "spiffe://{trustDomain}/machine/{corp.commonName}",
          },
        ],
      },
    }));
    const write = (name: string, text: string): void => writeFileSync(join(drill.folder, name), text, { mode: 0o600 });
    write(files.ca, chainPem(enterprise.issuing, enterprise.root));
    write(files.key, enterprise.issuing.keyPem);
    write(files.hosts, hosts.pem);
    const own = createCertificate(hosts, {
      subject: "db1",
      keyUsage: ["digitalSignature"],
      extendedKeyUsage: [oid.clientAuth],
    });
    write("db1.pem", own.pem);
    write("db1.key", own.keyPem);
    await drill.shell("npx mesh-ca init\nsystemctl start mesh-ca");
    await drill.shell("npx mesh-ca bundle export --format mesh-ca --out trust.json");
    [cart, shop] = [await drill.join("carts"), await drill.join("shop")];
    machine = await drill.run("db1", machineEvidence());
    await drill.fetch("cart");
    oldTrust = cart.source.trust();
    const known = oldTrust.authorities?.find(({ publicKey }) => publicKey.spkiSha256 === issuerOf(cart));
    assert.ok(known !== undefined);
    oldAuthority = known;
    // The disaster.
    await drill.shell("systemctl stop mesh-ca");
    rmSync(join(drill.data, "pg"), { recursive: true });
    drill.turnTo("Lost database");
  });
  after(() => drill.close());

  function machineEvidence() {
    const at = (name: string): string => join(drill.folder, name);
    return {
      server: drill.address,
      trustFile: at("trust.json"),
      certificate: { certificateFile: at("db1.pem"), keyFile: at("db1.key") },
    };
  }

  test("the server does not start, the doctor says why, and init makes nothing of old keys", async () => {
    await drill.step("npx mesh-ca doctor");
    assert.deepEqual(await callBoth(cart, shop), ["ok", "ok"], "what they hold goes on");
  });

  test("a new trust domain begins, under the same name and the same root", async () => {
    await drill.step("npx mesh-ca init");
    assert.deepEqual(await drill.states(), ["active"]);
    assert.deepEqual(await drill.recorded("--id-prefix spiffe://example.test/shop"), [], "the record is lost");
  });

  test("nobody renews by what is not recorded: the server is not believed, and believes nobody", async () => {
    assert.equal(await renewalRefused(cart), "MCA_SERVER_UNTRUSTED");
    assert.equal(await renewalRefused(machine), "MCA_SERVER_UNTRUSTED", "its evidence is not shown to a stranger");
    assert.deepEqual(await callBoth(cart, shop), ["ok", "ok"]);
  });

  test("a workload begins anew by the commands of the page", async () => {
    await drill.step("token create");
    await drill.step("rm -r cart/state");
    assert.equal((await drill.recorded("--id spiffe://example.test/cart")).length, 1);
  });

  test("whoever has begun anew and whoever has not refuse each other, under one enterprise root", async () => {
    await drill.token("carts", "carts-sdk.token");
    await cart.source.renew();
    assert.notEqual(issuerOf(cart), oldAuthority.publicKey.spkiSha256);
    const [anchor] = cart.source.trust().anchors;
    assert.equal(anchor?.sha256, oldTrust.anchors[0]?.sha256, "one root");
    assert.deepEqual(await callBoth(cart, shop), ["MCA_SVID_UNTRUSTED", "MCA_SVID_UNTRUSTED"]);
    await drill.token("shop", "shop-sdk.token");
    await shop.source.renew();
    assert.deepEqual(await callBoth(cart, shop), ["ok", "ok"]);
  });

  test("with other evidence: the new trust file, old state away, started again", async () => {
    await machine.source.close();
    await drill.step("bundle export");
    rmSync(machine.stateDir, { recursive: true });
    machine = await drill.run("db1", machineEvidence());
    assert.deepEqual(await callBoth(machine, shop), ["ok", "ok"]);
  });

  test("the old keys are those of anybody, for whoever has not begun anew and for verifiers that know only the root", async () => {
    const keys = `${drill.data}.lost/keys`;
    const thief = forge(stolenAuthority(keys, oldAuthority), shop.id).certificate;
    new X509SvidVerifier(oldTrust).verify([thief], Date.now());
    const anchorsOnly = { ...oldTrust, authorities: undefined };
    new X509SvidVerifier(anchorsOnly).verify([thief, oldAuthority], Date.now());
    assert.equal(verdictOf(cart, [thief], shop.id), "MCA_SVID_UNTRUSTED");
    await drill.step("rm -r");
    assert.ok(!existsSync(keys));
    drill.finish();
  });
});

describe("Lost database, a PostgreSQL of its own", () => {
  test("the owner makes the schema of an empty one, and a new trust domain begins", async (t) => {
    const [lost, empty] = [await createTestDatabase(), await createTestDatabase({ empty: true })];
    const drill = await Drill.prepare({});
    t.after(async () => {
      await drill.close();
      await lost.close();
      await empty.close();
    });
    const at = (name: string): string => join(drill.folder, name);
    const url = (text: string): void => writeFileSync(at("server.url"), text, { mode: 0o600 });
    url(lost.connectionString);
    await drill.shell(`export MESH_CA_DATABASE__URL_FILE=${at("server.url")}`);
    await drill.shell("npx mesh-ca init\nsystemctl start mesh-ca");
    const shop = await drill.join("shop");
    await drill.shell("systemctl stop mesh-ca");
    url(empty.connectionString);
    writeFileSync(at("owner.url"), empty.connectionString, { mode: 0o600 });
    drill.turnTo("With a PostgreSQL of your own");
    await drill.step("db migrate");
    drill.finish();
    assert.equal(await renewalRefused(shop), "MCA_SERVER_UNTRUSTED");
    await drill.token("shop", "shop-sdk.token");
    await shop.source.renew();
    assert.deepEqual(await drill.states(), ["active"]);
  });
});

// docs/disaster-recovery.md, "Stolen authority key", drilled: the thief has copied `keys/`, signs whatever he likes, and shows it to
// workloads and to the server. The authority is an enterprise's, so that its root stays when it goes.
import assert from "node:assert/strict";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { X509SvidVerifier } from "../../src/spiffe/index.ts";
import { fromHex } from "../../src/x509/index.ts";
import { Enterprise } from "../support/enterprise.ts";
import { chainPem, type TestCertificate } from "../support/pki.ts";
import { forge, identityOfForged, stolenAuthority } from "../support/stolen-authority.ts";
import { callBoth, Drill, issuerOf, renewalRefused, renewed, verdictOf, type Workload } from "./disaster-drill.ts";
import { closeClients, connect, refusal, renew, until } from "./fixture.ts";

interface Theft {
  readonly drill: Drill;
  /** Both follow. */
  readonly shop: Workload;
  readonly till: Workload;
  /** What the thief has. */
  readonly authority: TestCertificate;
  readonly key: string;
}

let drills: Drill[] = [];
afterEach(async () => {
  closeClients();
  for (const drill of drills) await drill.close();
  drills = [];
});

async function theft(): Promise<Theft> {
  const enterprise = new Enterprise({ now: Date.now() });
  const drill = await Drill.prepare((folder) => ({
    authority: {
      upstream: "disk",
      disk: { certificateFile: join(folder, "issuing-ca.pem"), keyFile: join(folder, "issuing-ca.key") },
    },
  }));
  drills.push(drill);
  writeFileSync(join(drill.folder, "issuing-ca.pem"), chainPem(enterprise.issuing, enterprise.root));
  writeFileSync(join(drill.folder, "issuing-ca.key"), enterprise.issuing.keyPem, { mode: 0o600 });
  await drill.shell("npx mesh-ca init\nsystemctl start mesh-ca");
  const [shop, till] = [await drill.join("shop"), await drill.join("till")];
  await drill.fetch("cart");
  cpSync(join(drill.data, "keys"), join(drill.folder, "copied"), { recursive: true });
  const key = issuerOf(shop);
  const issuer = shop.source.trust().authorities?.find(({ publicKey }) => publicKey.spkiSha256 === key);
  assert.ok(issuer !== undefined);
  return { drill, shop, till, authority: stolenAuthority(join(drill.folder, "copied"), issuer), key };
}

describe("Stolen authority key", () => {
  test("those who follow renew by themselves, and then nobody believes the thief", { timeout: 120_000 }, async () => {
    const { drill, shop, till, authority, key } = await theft();
    const serial = fromHex(till.source.current().serial);
    const thief = forge(authority, till.id, { serial });
    assert.equal(verdictOf(shop, [thief.certificate], till.id), "accepted", "nobody can tell");
    const early = await drill.token("early");
    drill.turnTo("Stolen authority key");
    await drill.step("authority prepare");
    const shown = identityOfForged(thief, authority);
    const stolen = [shop, till];
    await drill.step("authority taint", async () => {
      await until(() => stolen.every((each) => issuerOf(each) !== key), "both have renewed", 60_000);
      // Tainted is still accepted; whoever has only the authority's key gets nothing out of that.
      assert.equal((await refusal(renew(connect(drill.address, shown)))).mca, "MCA_SVID_UNRECORDED");
      assert.equal(verdictOf(shop, [thief.certificate], till.id), "accepted");
    });
    await until(() => verdictOf(shop, [thief.certificate], till.id) !== "accepted", "the revocation is told");
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
    await Promise.all(stolen.map(renewed));
    assert.deepEqual(await drill.states(), ["removed", "active"]);
    assert.match(await drill.log(), /"event":"svid\.unrecorded"/);

    const root = { ...shop.source.trust(), authorities: undefined, distrustedSpkis: new Set<string>() };
    new X509SvidVerifier(root).verify([thief.certificate, authority.certificate], Date.now());
    assert.match(await drill.shell(`npx mesh-ca svid fetch --token-file ${early} --out early || true`), /MCA_/);
    await drill.step("token create");
    drill.finish();
  });

  test("a client that was away believes the thief, also that he is the server, until it begins anew", async () => {
    const { drill, shop, authority } = await theft();
    const away = shop.source.trust();
    drill.turnTo("Stolen authority key");
    await drill.step("authority prepare");
    await drill.step("authority taint", () => renewed(shop));
    const server = forge(authority, "spiffe://example.test/mesh-ca/server");
    new X509SvidVerifier(away).verify([server.certificate], Date.now());
    assert.equal(
      verdictOf(shop, [server.certificate], "spiffe://example.test/mesh-ca/server"),
      "MCA_SVID_UNTRUSTED",
      "who followed does not",
    );
    await drill.step("token create");
    drill.finish();
  });
});

describe("Stolen authority key, at once", () => {
  test("the thief is out within a second, and everybody has to begin anew", async () => {
    const { drill, shop, till, authority, key } = await theft();
    const thief = forge(authority, till.id);
    drill.turnTo("At once");
    const letter = await drill.step("authority revoke --emergency");
    drill.finish();
    assert.match(letter, /Please revoke this certificate:.*serial number: [0-9a-f]+.*keyCompromise/s);
    await until(() => verdictOf(shop, [thief.certificate], till.id) !== "accepted", "it is told", 5_000);
    assert.ok(shop.source.trust().distrustedSpkis.has(key));
    assert.notEqual(await renewalRefused(shop), "renewed", "its own certificate is worth as little");
    assert.notDeepEqual(await callBoth(shop, till), ["ok", "ok"]);
    await drill.token("shop", "shop-sdk.token");
    await drill.token("till", "till-sdk.token");
    await Promise.all([shop, till].map(renewed));
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
  });
});

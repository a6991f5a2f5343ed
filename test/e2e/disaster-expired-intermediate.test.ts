// docs/disaster-recovery.md, "Expired enterprise certificate", drilled: nobody brought the next signature in time. The certificate lives
// for less than a minute here.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { decodePem, encodePem } from "../../src/x509/index.ts";
import { createIntermediate, createRoot } from "../support/pki.ts";
import { signRequest } from "../support/sign-request.ts";
import { callBoth, Drill, issuerOf, renewalRefused, type Workload } from "./disaster-drill.ts";
import { until } from "./fixture.ts";

const LIFE_MS = 45_000;
const root = createRoot({ subject: "Enterprise Root" });
const issuing = createIntermediate(root, { subject: "Enterprise Issuing CA", pathLength: 1 });

describe("Expired enterprise certificate", () => {
  let drill: Drill;
  let shop: Workload;
  let till: Workload;
  let first: string;
  let endsAt: number;

  before(async () => {
    drill = await Drill.prepare({
      authority: { upstream: "offline" },
      changes: { issuance: { minTtlSeconds: 5, maxTtlSeconds: 5, defaultTtlSeconds: 5, clockSkewSeconds: 0 } },
    });
    await drill.shell("npx mesh-ca init --csr first.csr --sheet first.txt\nsystemctl start mesh-ca");
    endsAt = Date.now() + LIFE_MS;
    sign("first.csr", "first.pem", endsAt);
    await drill.shell('npx mesh-ca authority import --reason "first" first.pem issuing.pem root.pem');
    [shop, till] = [await drill.join("shop"), await drill.join("till")];
    await drill.fetch("cart");
    first = issuerOf(shop);
    drill.turnTo("Expired enterprise certificate");
  });
  after(() => drill.close());

  function sign(request: string, certificate: string, notAfter: number): void {
    const at = (name: string): string => join(drill.folder, name);
    const [csr] = decodePem(readFileSync(at(request), "utf8"));
    assert.ok(csr !== undefined);
    const der = signRequest(issuing, csr.der, { notBefore: Date.now() - 1_000, notAfter });
    writeFileSync(at(certificate), encodePem("CERTIFICATE", der));
    writeFileSync(at("issuing.pem"), issuing.pem);
    writeFileSync(at("root.pem"), root.pem);
  }

  test("before the end it is said that a signature is due; after it nothing is issued", {
    timeout: 90_000,
  }, async () => {
    await until(() => Date.now() > endsAt - LIFE_MS / 2 + 2_000, "half of its life is over", LIFE_MS);
    assert.match(await drill.shell("npx mesh-ca doctor || true"), /authority\.requests +.*waits for its signature/);
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
    await until(() => Date.now() > endsAt + 1_000, "it has ended", LIFE_MS);
    await drill.step("doctor");
    assert.equal(shop.source.health().kind, "expired", "nothing outlives its issuer: the mesh stands still");
    assert.throws(() => shop.source.current(), { code: "MCA_CLIENT_NO_SVID" });
  });

  test("a signature for the request that waits, and it issues again", async () => {
    await drill.step("authority csr --recover");
    sign("recovery.csr", "recovery.pem", Date.now() + 365 * 86_400_000);
    const refused = await drill.shell(
      'npx mesh-ca authority import --reason "x" recovery.pem issuing.pem root.pem || true',
    );
    assert.match(refused, /MCA_AUTHORITY_EXPIRED/, "never without being told so");
    await drill.step("authority import --recover");
    const states = (await drill.states()).filter((state) => state !== "removed");
    assert.equal(states.at(-1), "active");
    assert.match(await drill.shell("npx mesh-ca authority list --all --reason look"), /certificate expired/);
  });

  test("clients do not know the new authority, and begin anew", async () => {
    assert.equal(await renewalRefused(shop), "MCA_SERVER_UNTRUSTED");
    await drill.step("token create");
    for (const [each, service] of [
      [shop, "shop"],
      [till, "till"],
    ] as const) {
      await drill.token(service, `${service}-sdk.token`);
      await each.source.renew();
      assert.notEqual(issuerOf(each), first);
    }
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
    assert.equal((await drill.recorded("--id spiffe://example.test/cart --limit 1000")).length >= 2, true);
    drill.finish();
  });
});

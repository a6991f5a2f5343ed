// docs/disaster-recovery.md, "Revoked enterprise certificate", drilled: the CRL that our chain names lists the issuing CA above us. The
// enterprise signs with the tests' own PKI; test/foreign has openssl do it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Certificate, decodePem, encodePem } from "../../src/x509/index.ts";
import { createIntermediate, createRoot, type TestCertificate } from "../support/pki.ts";
import { createCrl, crlDistributionPointsExtension } from "../support/revocation.ts";
import { signRequest } from "../support/sign-request.ts";
import { callBoth, Drill, issuerOf, renewalRefused, renewed, verdictOf, type Workload } from "./disaster-drill.ts";
import { until } from "./fixture.ts";

const DAY_MS = 86_400_000;

describe("Revoked enterprise certificate", () => {
  const root = createRoot({ subject: "Enterprise Root" });
  let crl = createCrl(root, { revoked: [], number: 1 });
  let web: Server;
  let drill: Drill;
  let shop: Workload;
  let till: Workload;
  let away: readonly Certificate[];
  let first: string;

  before(async () => {
    web = createServer((_request, response) => response.end(crl));
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/root.crl`;
    const issuing = (name: string): TestCertificate =>
      createIntermediate(root, {
        subject: name,
        pathLength: 1,
        extraExtensions: [crlDistributionPointsExtension(url)],
      });
    const [revoked, other] = [issuing("Enterprise Issuing CA 1"), issuing("Enterprise Issuing CA 2")];
    drill = await Drill.prepare({
      authority: {
        upstream: "offline",
        revocationCheck: { intervalSeconds: 1 },
        // Longer than the drill: nobody but the operator lets the successor sign.
        propagationFloorSeconds: 600,
      },
    });
    await drill.shell("npx mesh-ca init --csr first.csr --sheet first.txt\nsystemctl start mesh-ca");
    sign(revoked, "first.csr", "first.pem");
    await drill.shell('npx mesh-ca authority import --reason "first" first.pem issuing.pem root.pem');
    [shop, till] = [await drill.join("shop"), await drill.join("till")];
    await drill.fetch("cart");
    away = (await drill.join("away")).source.current().chain;
    first = issuerOf(shop);
    const { serial } = revoked.certificate;
    crl = createCrl(root, { revoked: [{ serial, reason: "cACompromise" }], number: 2 });
    await until(
      async () => /MCA_AUTHORITY_UPSTREAM_REVOKED/.test(await drill.log()),
      "the server has read the CRL",
      30_000,
    );
    signer = other;
    drill.turnTo("Revoked enterprise certificate");
  });
  after(async () => {
    await drill.close();
    web.closeAllConnections();
    web.close();
  });
  let signer: TestCertificate;

  function sign(issuing: TestCertificate, request: string, certificate: string): void {
    const at = (name: string): string => join(drill.folder, name);
    const [csr] = decodePem(readFileSync(at(request), "utf8"));
    assert.ok(csr !== undefined);
    const der = signRequest(issuing, csr.der, { notAfter: Date.now() + 300 * DAY_MS });
    writeFileSync(at(certificate), encodePem("CERTIFICATE", der));
    writeFileSync(at("issuing.pem"), issuing.pem);
    writeFileSync(at("root.pem"), root.pem);
  }

  test("nothing is issued any more, what is there goes on, and the port is open", async () => {
    await drill.step("doctor");
    assert.notEqual(await renewalRefused(shop), "renewed");
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
    assert.match(await drill.shell("npx mesh-ca authority list --reason look"), /the upstream revoked .*cACompromise/);
  });

  test("a new authority under another issuing CA is published first, and who follows knows it", async () => {
    await drill.step("authority csr --recover");
    sign(signer, "recovery.csr", "recovery.pem");
    await drill.step("authority import --recover");
    assert.deepEqual((await drill.states()).slice(-2), ["tainted", "prepared"]);
  });

  test("it signs, and who follows renews by itself", { timeout: 120_000 }, async () => {
    await drill.step("authority activate --emergency");
    await drill.step("authority revoke", () =>
      until(() => [shop, till].every((each) => issuerOf(each) !== first), "both have renewed", 90_000),
    );
    assert.deepEqual((await drill.states()).slice(-2), ["removed", "active"]);
    assert.deepEqual(await callBoth(shop, till), ["ok", "ok"]);
    await Promise.all([shop, till].map(renewed));
  });

  test("what the revoked CA stood behind verifies no more", async () => {
    await until(() => verdictOf(shop, away, "spiffe://example.test/away") !== "accepted", "the revocation is told");
    assert.equal(verdictOf(shop, away, "spiffe://example.test/away"), "MCA_SVID_UNTRUSTED");
  });

  test("who was away begins anew", async () => {
    await drill.step("token create");
    assert.equal((await drill.recorded("--id spiffe://example.test/cart")).length, 2);
    drill.finish();
  });
});

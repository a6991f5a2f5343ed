// The main job, whole: enrol by token, renew over mTLS, and an auditor sees it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { GetIssuanceRequest, ListIssuancesRequest } from "../../src/proto/gen/meshca/identity/v1/admin.ts";
import { bytesEqual, createCsr, parseCertificate } from "../../src/x509/index.ts";
import {
  auditOver,
  call,
  closeClients,
  connect,
  createToken,
  enrol,
  identityOf,
  issue,
  listed,
  local,
  newKey,
  readyz,
  refusal,
  renew,
  startTestServer,
  type TestServer,
  until,
} from "./fixture.ts";

let on: TestServer;
before(async () => {
  on = await startTestServer();
});
after(async () => {
  closeClients();
  await on.close();
});

test("a fresh server is ready, healthy and tells its metrics", async () => {
  const ready = await readyz(on);
  assert.equal(ready.status, 200, JSON.stringify(ready.body));
  const { host, port } = on.server.addresses.operations;
  assert.equal((await fetch(`http://${host}:${port}/healthz`)).status, 200);
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  assert.match(metrics, /mesh_ca_tls_connections/);
});

test("a workload enrols by token, and its certificate says what the rule says and nothing that the CSR wished", async () => {
  const key = newKey();
  const value = await createToken(on.server, { service: "cart" });
  const response = await issue(connect(on.address), {
    csr: createCsr({ key, subject: "i wish to be admin", dnsSans: ["evil.example"] }),
    evidence: { $case: "joinToken", value },
  });
  assert.equal(response.spiffeId, "spiffe://example.test/cart");
  const leaf = parseCertificate(response.certificateChain[0] ?? new Uint8Array());
  assert.deepEqual(leaf.subjectAltName?.names, [{ kind: "uri", value: "spiffe://example.test/cart" }]);
  assert.equal(leaf.subject.length, 2, "the subject is empty");
  assert.equal(response.trust?.authorities.length, 1);
  assert.ok((response.renewAt?.getTime() ?? 0) < (response.notAfter?.getTime() ?? 0));
  assert.ok(on.log.of("svid.issued").some((line) => line["serial"] === response.serial));
});

test("a renewal over mTLS gives a new certificate of the same identity and the same lineage", async () => {
  const first = await enrol(on, "renewing");
  const second = await renew(connect(on.address, first));
  assert.equal(second.response.spiffeId, first.response.spiffeId);
  assert.equal(second.response.lineage, first.response.lineage);
  assert.notEqual(second.response.serial, first.response.serial);
});

test("a connection counts as authenticated by the child that was issued over it: renewals chain over one connection", async () => {
  const first = await enrol(on, "chained");
  const client = connect(on.address, first);
  const serials = new Set([first.response.serial]);
  for (let n = 0; n < 5; n++) serials.add((await renew(client)).response.serial);
  assert.equal(serials.size, 6);
});

test("renewals at the same time over one connection do not look like a stolen key", async () => {
  const client = connect(on.address, await enrol(on, "parallel"));
  const renewed = await Promise.all(Array.from({ length: 4 }, () => renew(client)));
  assert.equal(new Set(renewed.map((each) => each.response.serial)).size, 4);
});

test("the same key again is a retry: the same certificate, and no second one is recorded", async () => {
  const first = await enrol(on, "retrying");
  const key = newKey();
  const one = await renew(connect(on.address, first), key);
  const again = await renew(connect(on.address, first), key);
  assert.equal(again.response.serial, one.response.serial);
  assert.equal(again.response.logIndex, one.response.logIndex);
  assert.equal((await listed(on, { spiffeId: "spiffe://example.test/retrying" })).length, 2);
});

test("a lost answer does no harm: the parent may renew again while its child is unused", async () => {
  const first = await enrol(on, "unlucky");
  await renew(connect(on.address, first));
  const second = await renew(connect(on.address, first));
  const third = await renew(connect(on.address, second));
  assert.equal(third.response.lineage, first.response.lineage);
});

test("a stolen key is noticed: the parent of a used child freezes the lineage, and nobody renews any more", async () => {
  const first = await enrol(on, "stolen");
  const second = await renew(connect(on.address, first));
  await renew(connect(on.address, second));
  const thief = await refusal(renew(connect(on.address, first)));
  assert.equal(thief.mca, "MCA_LINEAGE_FROZEN");
  assert.equal(thief.code, status.PERMISSION_DENIED);
  const owner = await refusal(renew(connect(on.address, second)));
  assert.equal(owner.mca, "MCA_LINEAGE_FROZEN");
  assert.ok(on.log.of("lineage.frozen").length > 0);
});

test("a join token is good for one key: again by the same key it is a retry, by another it is refused", async () => {
  const value = await createToken(on.server, { service: "once" });
  const key = newKey();
  const evidence = { $case: "joinToken", value } as const;
  const first = await issue(connect(on.address), { csr: createCsr({ key }), evidence });
  const retry = await issue(connect(on.address), { csr: createCsr({ key }), evidence });
  assert.equal(retry.serial, first.serial);
  const other = await refusal(issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence }));
  assert.equal(other.mca, "MCA_TOKEN_REDEEMED");
});

test("twenty callers race with one token: exactly one wins", async () => {
  const value = await createToken(on.server, { service: "raced" });
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, () =>
      issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence: { $case: "joinToken", value } }),
    ),
  );
  assert.equal(results.filter((result) => result.status === "fulfilled").length, 1);
  assert.equal((await listed(on, { spiffeId: "spiffe://example.test/raced" })).length, 1);
});

test("an auditor lists what was issued, and prints any certificate again, byte for byte", async () => {
  const first = await enrol(on, "audited");
  const { audit } = local(on.server);
  await until(
    async () => (await listed(on, { spiffeId: "spiffe://example.test/audited" }))[0]?.hasOutcome === true,
    "the outcome is recorded",
  );
  const record = await call(
    audit,
    audit.getIssuance,
    GetIssuanceRequest.fromPartial({ key: { $case: "serial", value: first.response.serial } }),
  );
  assert.equal(record.result, "signed");
  assert.ok(bytesEqual(record.certificate, first.response.certificateChain[0] ?? new Uint8Array()));
  assert.equal(record.issuance?.logIndex, first.response.logIndex);
  assert.match(record.issuance?.requester ?? "", /^token:/);
});

test("by prefix on a segment boundary, a stranger with a longer name is not listed", async () => {
  await enrol(on, "shop");
  await enrol(on, "shopping");
  const ids = (await listed(on, { spiffeIdPrefix: "spiffe://example.test/shop" })).map((row) => row.spiffeId);
  assert.deepEqual([...new Set(ids)], ["spiffe://example.test/shop"]);
});

test("without evidence nothing is issued, and the answer says what to give", async () => {
  const error = await refusal(issue(connect(on.address), { csr: createCsr({ key: newKey() }) }));
  assert.equal(error.mca, "MCA_EVIDENCE_MISSING");
});

test("a certificate of another server is no identity here", async () => {
  const other = await startTestServer({ changes: { rules: on.config.rules, trustDomain: "example.test" } });
  try {
    const foreign = await enrol(other, "cart");
    const error = await refusal(renew(connect(on.address, foreign)));
    assert.equal(error.mca, "MCA_SVID_UNTRUSTED");
  } finally {
    await other.close();
  }
});

test("administration needs a role: a workload may not list issuances, rules or tokens", async () => {
  const identity = await enrol(on, "curious");
  const client = auditOver(on.address, identity);
  const error = await refusal(call(client, client.listIssuances, ListIssuancesRequest.fromPartial({})));
  assert.equal(error.mca, "MCA_FORBIDDEN");
  assert.equal(error.code, status.PERMISSION_DENIED);
});

test("an identity from a retried answer works like any other", async () => {
  const key = newKey();
  const value = await createToken(on.server, { service: "works" });
  await issue(connect(on.address), { csr: createCsr({ key }), evidence: { $case: "joinToken", value } });
  const again = await issue(connect(on.address), { csr: createCsr({ key }), evidence: { $case: "joinToken", value } });
  const renewed = await renew(connect(on.address, identityOf(again, key)));
  assert.equal(renewed.response.lineage, again.lineage);
});

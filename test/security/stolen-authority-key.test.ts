// Somebody has copied an authority's key. What he signs verifies; the ledger is what tells it from a certificate of ours, so whatever
// is earned by a certificate is earned by its record: serial number *and* key. The serial numbers of others are no secret.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseCertificate } from "../../src/x509/index.ts";
import {
  auditOver,
  authoritiesOf,
  call,
  closeClients,
  connect,
  enrol,
  type Identity,
  readyz,
  refusal,
  renew,
  startTestServer,
  type TestServer,
  until,
} from "../e2e/fixture.ts";
import type { TestCertificate } from "../support/pki.ts";
import { forge, identityOfForged, stolenAuthority } from "../support/stolen-authority.ts";

const admin = {
  name: "admin",
  priority: 1,
  match: { "token.service": "admin" },
  spiffeId: "spiffe://{trustDomain}/admin",
  roles: ["admin"],
};
const services = {
  name: "services",
  match: { "token.service": "*" },
  spiffeId: "spiffe://{trustDomain}/{token.service}",
};
let on: TestServer;
let owner: Identity;
let authority: TestCertificate;

before(async () => {
  on = await startTestServer({ changes: { rules: [admin, services] } });
  owner = await enrol(on, "admin");
  const [active] = (await authoritiesOf(on.server)).authorities;
  authority = stolenAuthority(join(on.dataDir, "keys"), parseCertificate(active?.certificate ?? new Uint8Array()));
});
after(async () => {
  closeClients();
  await on.close();
});

/** A certificate of the thief's for the owner's name; `serial`: that of the owner's own certificate. */
function forged(serial?: Uint8Array): ReturnType<typeof identityOfForged> {
  const leaf = forge(authority, "spiffe://example.test/admin", serial === undefined ? {} : { serial });
  return identityOfForged(leaf, authority);
}

function ownSerial(): Uint8Array {
  const [leaf = new Uint8Array()] = owner.response.certificateChain;
  return parseCertificate(leaf).serial;
}

test("the thief renews nothing, neither by a serial number of his own nor by a recorded one, and freezes nobody", async () => {
  for (const identity of [forged(), forged(ownSerial())]) {
    const refused = await refusal(renew(connect(on.address, identity)));
    assert.equal(refused.mca, "MCA_SVID_UNRECORDED");
  }
  assert.match((await refusal(renew(connect(on.address, forged(ownSerial()))))).details, /another key/);
  owner = await renew(connect(on.address, owner));
});

test("he has no role, although the certificate names an admin and carries an admin's serial number", async () => {
  for (const identity of [forged(), forged(ownSerial())]) {
    const audit = auditOver(on.address, identity);
    const refused = await refusal(call(audit, audit.getIssuance, { key: { $case: "logIndex", value: 0n } }));
    assert.equal(refused.mca, "MCA_FORBIDDEN");
  }
  const audit = auditOver(on.address, owner);
  const list = { key: { $case: "serial", value: Buffer.from(ownSerial()).toString("hex") } } as const;
  await call(audit, audit.getIssuance, list);
});

test("a connection is enough to be noticed: an alarm once for each certificate, a note, a figure", async () => {
  const before = on.log.of("svid.unrecorded").length;
  const identity = forged();
  for (let count = 0; count < 2; count++) {
    const client = connect(on.address, identity);
    await refusal(call(client, client.acknowledgeTrust, { revision: 1n })).catch(() => {});
  }
  await until(() => on.log.of("svid.unrecorded").length > before, "the log tells of it");
  assert.equal(on.log.of("svid.unrecorded").length, before + 1);
  const [alarm] = on.log.of("svid.unrecorded").slice(-1);
  assert.equal(alarm?.["alarm"], true);
  assert.equal(alarm?.["peer"], "spiffe://example.test/admin");
  const { status, body } = await readyz(on);
  assert.equal(status, 200, "who has a key must not be able to stop everybody else");
  const { notes } = body as unknown as { notes: readonly { about: string; sentence: string }[] };
  assert.match(notes.find(({ about }) => about === "ledger")?.sentence ?? "", /does not hold.*disaster-recovery\.md/);
  const { host, port } = on.server.addresses.operations;
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  assert.match(metrics, /mesh_ca_unrecorded_certificates [1-9]/);
});

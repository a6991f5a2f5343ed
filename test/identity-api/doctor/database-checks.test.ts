// Each check of the doctor on the database, made to fail once by real damage to a real database.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { judgeClocks, judgeTransport } from "../../../src/identity-api/doctor/checks/database.ts";
import { closeClients } from "../../e2e/fixture.ts";
import { createIntermediate, createRoot, generalNameDer, nameConstraintsExtension } from "../../support/pki.ts";
import { createPatient, type Patient, resultsOf, verdict } from "./support.ts";

const DAY_MS = 86_400_000;
after(closeClients);

/** A patient that is damaged, looked at and thrown away. */
async function withPatient(look: (patient: Patient) => Promise<void>): Promise<void> {
  const patient = await createPatient();
  try {
    await look(patient);
  } finally {
    await patient.close();
  }
}

describe("an initialised trust domain on a PostgreSQL by URL", () => {
  let patient: Patient;
  before(async () => {
    patient = await createPatient();
  });
  after(() => patient.close());

  test("nothing is wrong with its database", async () => {
    for (const id of [
      "database.reachable",
      "database.schema",
      "database.trust-domain",
      "database.clock",
      "database.tls",
      "authority.active",
      "authority.requests",
      "authority.tainted",
      "roots.expiry",
      "rotation.settings",
      "rotation.chain",
      "keys.match",
      "bundle.sequence",
      "ledger.head",
      "ledger.partitions",
      "ledger.intents",
      "recovery.rules",
    ]) {
      assert.deepEqual(
        (await resultsOf(patient.config, id)).map(({ status }) => status),
        ["ok"],
        id,
      );
    }
  });

  test("database.trust-domain: a configuration of another trust domain fails, naming both", async () => {
    const said = await verdict({ ...patient.config, trustDomain: "other.test" }, "database.trust-domain");
    assert.match(said, /^failed.*example\.test.*other\.test/);
    assert.match(await verdict({ ...patient.config, trustDomain: "other.test" }, "keys.match"), /^skipped/);
  });

  test("database.reachable: a database that is gone fails, and the rest is skipped", async () => {
    const url = patient.database.connectionString.replace(/\/test_[^?]*/, "/nowhere");
    const config = { ...patient.config, database: { ...patient.config.database, url } };
    assert.match(await verdict(config, "database.reachable"), /^failed.*nowhere.*MCA_DATABASE/);
    for (const id of ["ledger.head", "authority.active", "database.clock"]) {
      assert.match(await verdict(config, id), /^skipped.*see database\.reachable/, id);
    }
  });

  test("database.clock: three seconds are a warning, twenty fail", async () => {
    assert.match(await verdict(patient.config, "database.clock", { aheadMs: 3_000 }), /^warning.*[23]\.\d+ s behind/);
    assert.match(await verdict(patient.config, "database.clock", { aheadMs: -20_000 }), /^failed.*ahead.*at most 10 s/);
  });

  test("authority.active: says what happens when, warns of a missing successor, fails when it is overdue or over", async () => {
    assert.match(
      await verdict(patient.config, "authority.active"),
      /^ok.*a successor is prepared at .* takes over at /,
    );
    const at = (days: number): Promise<string> =>
      verdict(patient.config, "authority.active", { aheadMs: days * DAY_MS });
    assert.match(await at(4), /^warning.*has no successor yet/);
    assert.match(await at(6), /^failed.*certificates get shorter until nothing is issued/);
    assert.match(await at(8), /^failed.*nothing is issued.*--recover/);
  });

  test("recovery.leaf-lifetime, recovery.rules: certificates that live shorter than twice the stated recovery time warn", async () => {
    assert.match(await verdict(patient.config, "recovery.leaf-lifetime"), /^skipped.*operations\.recoveryTimeSeconds/);
    const stated = (recoveryTimeSeconds: number) => ({
      ...patient.config,
      operations: { ...patient.config.operations, recoveryTimeSeconds },
    });
    assert.match(await verdict(stated(1800), "recovery.leaf-lifetime"), /^ok/);
    assert.match(await verdict(stated(1801), "recovery.leaf-lifetime"), /^warning.*1 h.*30 min more/);
    await patient.damage(`INSERT INTO identity_rule VALUES ('short', 'api', 1, '{"ttlSeconds": 600}', '2026-01-01Z')`);
    try {
      assert.match(await verdict(stated(900), "recovery.rules"), /^warning.*the rule short gives certificates 10 min/);
    } finally {
      await patient.damage("DELETE FROM identity_rule WHERE name = 'short'");
    }
  });

  test("rotation.settings: settings that no rotation can keep fail with the arithmetic", async () => {
    const { authority } = patient.config;
    const config = { ...patient.config, authority: { ...authority, lifetimeSeconds: 86_400 } };
    assert.match(await verdict(config, "rotation.settings"), /^failed.*more than a sixth of the authority's lifetime/);
  });
});

test("database.privileges: a right to change the ledger fails, on any partition; a superuser's login warns", async () => {
  await withPatient(async ({ config, damage }) => {
    assert.match(await verdict(config, "database.privileges"), /^warning.*a superuser/, "the tests log in as one");
    await damage("GRANT DELETE ON ledger_entry_p0 TO mesh_ca_app");
    assert.match(
      await verdict(config, "database.privileges"),
      /^failed.*mesh_ca_app may DELETE ledger_entry_p0.*REVOKE DELETE ON ledger_entry_p0/,
    );
    await damage("REVOKE DELETE ON ledger_entry_p0 FROM mesh_ca_app");
    await damage("GRANT UPDATE ON serial TO PUBLIC");
    assert.match(await verdict(config, "database.privileges"), /^failed.*may UPDATE serial/);
  });
});

test("database.schema: a database without a migration of this program fails", async () => {
  await withPatient(async ({ config, damage }) => {
    await damage("DELETE FROM mesh_ca_migration WHERE id = (SELECT max(id) FROM mesh_ca_migration)");
    assert.match(await verdict(config, "database.schema"), /^failed.*lacks.*db migrate/);
  });
});

test("authority.active, authority.requests, authority.tainted: none, a request that waits, one that is tainted", async () => {
  await withPatient(async ({ config, damage }) => {
    await damage(`INSERT INTO authority (spki_sha256, replica, state, upstream, created_at)
      VALUES ('\\xaa', 1, 'requested', 'offline', '2026-01-01Z')`);
    assert.match(await verdict(config, "authority.requests"), /^warning.*aa waits.*2026-01-01.*authority import/);
    await damage("UPDATE authority SET state = 'tainted' WHERE state = 'active'");
    assert.match(await verdict(config, "authority.tainted"), /^warning.*authority revoke [0-9a-f]{64}/);
    assert.match(await verdict(config, "authority.active"), /^failed.*a request waits for its signature/);
    await damage("DELETE FROM authority WHERE state = 'requested'");
    assert.match(await verdict(config, "authority.active"), /^failed.*authorities that are tainted/);
    const other = { ...config, replica: 7 };
    assert.match(await verdict(other, "authority.active"), /^failed.*no authority at all/);
  });
});

test("roots.expiry, roots.dedicated, rotation.chain: an enterprise root that ends soon and is not ours alone", async () => {
  await withPatient(async ({ config, damage }) => {
    const chain = async (root: ReturnType<typeof createRoot>): Promise<void> => {
      const authority = createIntermediate(root, { notAfter: Date.now() + 400 * DAY_MS });
      await damage("UPDATE authority SET certificate = $1, anchor = $2", [
        authority.certificate.der,
        root.certificate.der,
      ]);
    };
    await chain(createRoot({ subject: "Old Root", notAfter: Date.now() + 20 * DAY_MS }));
    assert.match(await verdict(config, "roots.expiry"), /^warning.*Old Root.*19 d 23 h/);
    assert.match(await verdict(config, "roots.expiry", { aheadMs: 21 * DAY_MS }), /^failed.*Old Root ended/);
    assert.match(await verdict(config, "roots.dedicated"), /^warning.*another CA under it could sign/);
    const stated = { ...config, operations: { ...config.operations, dedicatedRoot: true } };
    assert.match(await verdict(stated, "roots.dedicated"), /^ok.*operations\.dedicatedRoot/);
    assert.match(await verdict(config, "rotation.chain"), /^ok/);
    await chain(createRoot({ notAfter: Date.now() + DAY_MS, notBefore: Date.now() - DAY_MS }));
    assert.match(await verdict(config, "rotation.chain"), /^failed.*more than a sixth/);
    const uri = (host: string): ReturnType<typeof createRoot> =>
      createRoot({ nameConstraints: nameConstraintsExtension({ permitted: [generalNameDer.uri(host)] }) });
    await chain(uri("example.test"));
    assert.match(await verdict(config, "roots.dedicated"), /^ok.*permits URIs of example\.test alone/);
    await chain(uri(".example.test"));
    assert.match(await verdict(config, "roots.dedicated"), /^warning/, "a leading dot permits every host below");
  });
});

test("bundle.sequence: a stored sequence that the ledger is ahead of fails", async () => {
  await withPatient(async ({ config, damage }) => {
    await damage(`INSERT INTO ledger_entry SELECT size, '\\x00',
      convert_to('{"v":1,"kind":"bundle.changed","sequence":"9","revision":"9"}', 'UTF8') FROM ledger_head`);
    await damage(`INSERT INTO authority_transition (spki_sha256, to_state, cause, at, log_index)
      SELECT spki_sha256, 'active', 'test', '2026-01-01Z', size FROM authority, ledger_head`);
    assert.match(await verdict(config, "bundle.sequence"), /^failed.*sequence is 1.*at least 9/);
  });
});

test("ledger.head: a head without its entry, a hole, and changed bytes fail", async () => {
  await withPatient(async ({ config, damage }) => {
    await damage("UPDATE ledger_head SET size = size + 1");
    assert.match(
      await verdict(config, "ledger.head"),
      /^failed.*the head says \d+ entries, the last entry is number \d+/,
    );
    await damage("UPDATE ledger_head SET size = size - 1");
    await damage("UPDATE ledger_entry SET bytes = bytes || '\\x20' WHERE log_index = 2");
    assert.match(await verdict(config, "ledger.head"), /^failed.*the bytes of entry 2/);
    await damage("DELETE FROM ledger_entry WHERE log_index = 1");
    assert.match(await verdict(config, "ledger.head"), /^failed.*entry 1 is missing/);
    await damage("DELETE FROM ledger_head");
    assert.match(await verdict(config, "ledger.head"), /^failed.*no head/);
  });
});

test("ledger.partitions: a missing next partition warns, a missing one for the head fails", async () => {
  await withPatient(async ({ config, damage }) => {
    await damage("DROP TABLE outcome_p1");
    assert.match(await verdict(config, "ledger.partitions"), /^warning.*outcome has room for \d+ more entries only/);
    await damage("DROP TABLE issuance_p0");
    assert.match(await verdict(config, "ledger.partitions"), /failed.*issuance has no partition/);
  });
});

test("ledger.intents: what was recorded and never reported warns while it would be valid, and only after a minute", async () => {
  await withPatient(async ({ config, damage }) => {
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const now = new Date().toISOString();
    await damage(`INSERT INTO issuance (log_index, kind, spiffe_id, serial, requester, authority, spki_sha256, issued_at,
        not_before, not_after)
      VALUES (0, 'x509', 'spiffe://example.test/a', '\\x01', 'self', '\\x02', '\\x03', '${now}', '${now}', '${soon}')`);
    await damage(`INSERT INTO ledger_span (block, issuances, outcomes, authorities) VALUES (0, 1, 0, '{}')
      ON CONFLICT (block) DO UPDATE SET issuances = ledger_span.issuances + 1`);
    assert.match(await verdict(config, "ledger.intents"), /^ok/);
    const later = await verdict(config, "ledger.intents", { aheadMs: 61_000 });
    assert.match(later, /^warning \| 1 recorded without an outcome.*audit list --without-outcome/);
    assert.match(await verdict(config, "ledger.intents", { aheadMs: 2 * 3_600_000 }), /^ok \| 1 recorded/);
  });
});

test("database.tls: a connection that can be read along fails, on the loopback interface it warns", () => {
  const asked = "insecure-plaintext";
  assert.equal(judgeTransport({ tls: undefined, host: undefined, asked }).status, "ok");
  assert.equal(judgeTransport({ tls: undefined, host: "127.0.0.1", asked }).status, "warning");
  assert.equal(judgeTransport({ tls: undefined, host: "db.example.test", asked }).status, "failed");
  assert.equal(judgeTransport({ tls: "TLSv1.3", host: "db.example.test", asked: "verify-full" }).status, "ok");
});

test("database.clock: a slow answer is no difference of clocks", () => {
  assert.equal(judgeClocks(12_000, 13_000, 10).status, "ok");
  assert.equal(judgeClocks(12_000, 1_000, 10).status, "failed");
});

// What the doctor hears from a running server, and that it leaves nothing behind there.
import assert from "node:assert/strict";
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { StoreError } from "../../../src/ca/index.ts";
import { openDatabase } from "../../../src/ca/store/index.ts";
import { askBundle } from "../../../src/identity-api/doctor/ask-bundle.ts";
import { serverChecks } from "../../../src/identity-api/doctor/checks/server.ts";
import { perform } from "../../../src/identity-api/doctor/doctor.ts";
import { inSnapshot } from "../../../src/identity-api/doctor/snapshot.ts";
import type { DoctorWorld, RunningServer } from "../../../src/identity-api/doctor/world.ts";
import { type Config, examine } from "../../../src/identity-api/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { parseBundle, TrustDomain, type TrustSet } from "../../../src/spiffe/index.ts";
import { closeClients, enrol, startTestServer, type TestServer, until } from "../../e2e/fixture.ts";
import { createTestDatabase } from "../../support/postgres.ts";
import { startWeb, trustWith, webRoot } from "../http/https-support.ts";
import { resultsOf, verdict } from "./support.ts";

after(closeClients);

/** The configuration with the port that the operations listener really has. */
const known = ({ config, server }: TestServer): Config => ({
  ...config,
  listen: { ...config.listen, operations: server.addresses.operations },
});

describe("a production server that runs", () => {
  let on: TestServer;
  before(async () => {
    on = await startTestServer({ development: false });
  });
  after(() => on.close());

  test("issues, tells what its database holds, and has nothing to complain about", async () => {
    assert.match(await verdict(known(on), "server.ready"), /^ok/);
    assert.match(await verdict(known(on), "server.notes"), /^ok/);
    assert.match(await verdict(known(on), "bundle.served"), /^ok.*as the database holds/);
    const { status } = await examine({ config: { kind: "loaded", value: known(on) }, configFile: undefined });
    assert.equal(status, "warning", "keys are unsealed, and the tests log in as a superuser");
  });

  test("nothing is recorded by a whole examination: no entry, no alarm, no change of any row", async () => {
    const state = async (): Promise<string> => {
      const [row] =
        (await on.database?.owner.query<{ text: string }>({
          name: "",
          text: `SELECT (SELECT size FROM ledger_head)::text || ' ' || (SELECT count(*) FROM ledger_entry) || ' '
            || (SELECT string_agg(spki_sha256::text || state || xmin, ',') FROM authority) || ' '
            || (SELECT revision || ' ' || xmin FROM trust_state) || ' ' || (SELECT count(*) FROM identity_rule) AS text`,
        })) ?? [];
      return row?.text ?? "";
    };
    const before = await state();
    await examine({ config: { kind: "loaded", value: known(on) }, configFile: undefined });
    assert.equal(await state(), before);
    assert.deepEqual(on.log.of("access.break_glass"), []);
    assert.deepEqual(
      on.log.lines.filter(({ event }) => event === "call.refused"),
      [],
    );
  });

  test("server.ready: an operations listener that does not answer warns", async () => {
    const config = {
      ...on.config,
      listen: { ...on.config.listen, operations: { ...on.config.listen.operations, port: 1 } },
    };
    assert.match(await verdict(config, "server.ready"), /^warning.*does not answer/);
  });

  test("bundle.endpoint: what the HTTPS listener serves is what the server tells; closed, off and foreign ones are told", async () => {
    const at = (https: Partial<Config["listen"]["https"]>): Config => {
      const { listen } = known(on);
      const { host, port } = on.server.addresses.https ?? { host: "127.0.0.1", port: 0 };
      return { ...known(on), listen: { ...listen, https: { ...listen.https, host, port, ...https } } };
    };
    assert.match(await verdict(at({}), "bundle.endpoint"), /^ok.*serves sequence 1, as the server tells/);
    assert.match(await verdict(at({ enabled: false }), "bundle.endpoint"), /^skipped/);
    assert.match(await verdict(at({ port: 0 }), "bundle.endpoint"), /^skipped/);
    assert.match(await verdict(at({ port: 1 }), "bundle.endpoint"), /^failed.*cannot be asked/);
    const told = on.server.addresses.operations.port;
    assert.match(await verdict(at({ port: told }), "bundle.endpoint"), /^failed.*cannot be asked/);

    // Another program on the port, with a certificate of its own.
    const files = { certificateFile: "/web.pem", keyFile: "/web.key" };
    const ours = trustOfBundle(at({}));
    const cases: readonly (readonly [TrustSet | undefined, RegExp])[] = [
      [undefined, /^failed.*answers with status 500/],
      [await ours, /^ok/],
      [{ ...(await ours), sequence: 7n }, /^failed.*serves sequence 7/],
      [{ ...(await ours), refreshHintSeconds: 7 }, /^failed.*serves a refresh hint of 7 s/],
      [{ ...(await ours), anchors: [] }, /^failed.*serves 0 anchors/],
      [{ ...(await ours), anchors: [webRoot.certificate] }, /^failed.*1 anchors that are not the server's/],
    ];
    for (const [trust, said] of cases) {
      const trustNow = (): TrustSet => {
        if (trust === undefined) throw new Error("nothing");
        return trust;
      };
      await using web = await startWeb({ trust: trustNow });
      assert.match(await verdict(at({ port: web.port, ...files }), "bundle.endpoint"), said);
      assert.match(await verdict(at({ port: web.port }), "bundle.endpoint"), /^failed.*cannot be asked/);
    }
  });

  test("bundle.served: a server that tells other trust than the database fails", async () => {
    const other = await createTestDatabase();
    try {
      await other.owner.query({
        name: "",
        text: "INSERT INTO trust_state (revision, bundle_sequence) VALUES (99, 42)",
      });
      const config = { ...known(on), database: { ...on.config.database, url: other.connectionString } };
      assert.match(await verdict(config, "bundle.served"), /^failed.*revision 99, sequence 42/);
      await other.owner.query({ name: "", text: "UPDATE trust_state SET revision = 1" });
      await other.owner.query({
        name: "",
        text: `INSERT INTO authority (spki_sha256, replica, state, upstream, created_at)
          VALUES ('\\xbb', 1, 'active', 'self-signed', '2026-01-01Z')`,
      });
      await other.owner.query({ name: "", text: "UPDATE trust_state SET revision = $1" }, [await revisionOf(on)]);
      assert.match(await verdict(config, "bundle.served"), /^failed.*does not tell of the authorities bb/);
    } finally {
      await other.close();
    }
  });
});

/** What the HTTPS listener of a configuration serves. */
async function trustOfBundle({ listen }: Config): Promise<TrustSet> {
  const served = await askBundle(listen.https, () => {});
  if (served.kind === "failed") throw new Error(served.why);
  const {
    x509Authorities,
    sequence = 0n,
    refreshHintSeconds,
  } = parseBundle(served.text, TrustDomain.parse("example.test"));
  return { ...trustWith([], sequence, refreshHintSeconds), anchors: x509Authorities };
}

async function revisionOf(on: TestServer): Promise<bigint> {
  const rows = await on.database?.owner.query<{ revision: bigint }>({
    name: "",
    text: "SELECT revision FROM trust_state",
  });
  return rows?.[0]?.revision ?? 0n;
}

test("server.ready: a server without its key does not issue; the reason, its code and the command are told", async () => {
  const on = await startTestServer();
  const keys = join(on.dataDir, "keys");
  const [name] = readdirSync(keys);
  await on.stop();
  renameSync(join(keys, String(name)), join(on.dataDir, "aside"));
  const again = await startTestServer({ again: on });
  try {
    await until(async () => (await resultsOf(known(again), "server.ready"))[0]?.status === "failed", "it is told");
    assert.match(await verdict(known(again), "server.ready"), /^failed.*MCA_AUTHORITY_KEY_MISSING.*restore/);
  } finally {
    await again.close();
  }
});

test("server.notes, server.watchers: what the server says of itself is a warning each", async () => {
  const server: RunningServer = {
    kind: "running",
    readiness: { ready: true, reasons: [], notes: [{ about: "attestor k8s", sentence: "its keys are old" }] },
    metrics: new Map([
      ["mesh_ca_trust_watchers", 5],
      ["mesh_ca_trust_watchers_behind", 2],
    ]),
    trust: async () => undefined,
  };
  const world = { server } as DoctorWorld;
  const said = new Map<string, string>();
  for (const check of serverChecks) {
    for (const { id, status, found } of await perform(check, world)) said.set(id, `${status} ${found}`);
  }
  assert.equal(said.get("server.notes"), "warning attestor k8s: its keys are old");
  assert.equal(said.get("server.watchers"), "warning 2 of 5 watchers of trust have not acknowledged the newest");
});

test("in the doctor's session PostgreSQL refuses every change, also one that asks to be let", async () => {
  const database = await createTestDatabase();
  const looking = await openDatabase({
    connectionString: database.connectionString,
    role: "mesh_ca_app",
    readOnly: true,
    poolSize: 1,
    logger: silentLogger,
  });
  const readOnly = (error: unknown): boolean => error instanceof StoreError && error.details["sqlState"] === "25006";
  try {
    for (const text of [
      "INSERT INTO rule_set (source, revision) VALUES ('api', 1)",
      "UPDATE trust_state SET revision = 5",
      "SELECT ledger_ensure_partitions(16000000)",
      "SELECT nextval('rule_revision_seq')",
    ]) {
      await assert.rejects(looking.query({ name: "", text }), readOnly, text);
      await assert.rejects(
        inSnapshot(looking, (tx) => tx.query({ name: "", text })),
        readOnly,
        text,
      );
    }
    await assert.rejects(
      inSnapshot(looking, async (tx) => {
        await tx.query({ name: "", text: "SELECT 1" });
        await tx.query({ name: "", text: "SET TRANSACTION READ WRITE" });
      }),
      StoreError,
    );
  } finally {
    await looking.close();
    await database.close();
  }
});

test("an enrolment between two looks is no difference: each look is one snapshot", async () => {
  const on = await startTestServer();
  try {
    const enrolling = Promise.all(Array.from({ length: 20 }, (_, n) => enrol(on, `w${n}`)));
    for (let look = 0; look < 5; look++) {
      assert.match(await verdict(known(on), "ledger.head"), /^ok/);
      assert.match(await verdict(known(on), "ledger.intents"), /^ok/);
    }
    await enrolling;
  } finally {
    await on.close();
  }
});

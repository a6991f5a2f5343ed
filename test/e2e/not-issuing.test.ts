// Invariant 2: what is missing or wrong stops issuance, never the answers to an operator or an auditor; and it is told what was
// found, what was expected and which command mends it.
import assert from "node:assert/strict";
import { readdirSync, renameSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { initialise, startServer } from "../../src/identity-api/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { createCsr } from "../../src/x509/index.ts";
import {
  closeClients,
  connect,
  createToken,
  enrol,
  issue,
  listed,
  local,
  newKey,
  readyz,
  refusal,
  renew,
  startTestServer,
  TestLog,
  type TestServer,
  until,
} from "./fixture.ts";

after(closeClients);

/** grpc.health.v1 as a caller that knows only the standard would ask. */
function health(address: string): Promise<string> {
  const client = new Client(address, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      (value: Buffer) => value,
      (value: Buffer) => value,
      Buffer.alloc(0),
      (error: ServiceError | null, value?: Buffer) => {
        client.close();
        if (error !== null) reject(error);
        // HealthCheckResponse.status, field 1: 1 SERVING, 2 NOT_SERVING.
        else resolve(value?.[1] === 1 ? "SERVING" : "NOT_SERVING");
      },
    );
  });
}

const localHealth = (on: TestServer): Promise<string> => health(`unix:${on.server.adminSocket}`);

function watchOnce(on: TestServer): Promise<string> {
  const { identity } = local(on.server);
  const stream = identity.watchTrust({ trustDomain: "" });
  return new Promise((resolve, reject) => {
    stream.once("data", (message) => {
      stream.cancel();
      resolve(message.update?.value.trustDomain);
    });
    stream.on("error", reject);
  });
}

test("a database of another trust domain: the port stays closed, the operator and the auditor are answered", async () => {
  const on = await startTestServer();
  await enrol(on, "before");
  await on.stop();
  const log = new TestLog();
  const config = { ...on.config, trustDomain: "other.test" };
  const server = await startServer(config, { logger: log.logger });
  const foreign: TestServer = { ...on, server, log };
  try {
    assert.equal(server.addresses.grpc, undefined);
    const { status, body } = await readyz(foreign);
    assert.equal(status, 503);
    const [reason] = body.reasons;
    assert.equal(reason?.code, "MCA_TRUST_DOMAIN_MISMATCH");
    assert.match(JSON.stringify(reason), /example\.test.*other\.test/);
    assert.ok(JSON.stringify(reason).includes("command"));
    assert.equal(await localHealth(foreign), "NOT_SERVING");
    assert.equal(await watchOnce(foreign), "example.test", "trust is told as the database holds it");
    assert.ok((await listed(foreign, { spiffeId: "spiffe://example.test/before" })).length === 1);
    const { identity } = local(server);
    const error = await refusal(
      issue(identity, { csr: createCsr({ key: newKey() }), evidence: { $case: "joinToken", value: "x" } }),
    );
    assert.equal(error.mca, "MCA_NOT_ISSUING");
    assert.match(error.details, /found .* expected .* To mend it: /);
    assert.ok(log.of("server.foreign_database").length === 1);
    assert.ok(log.of("health.not_serving").length >= 1);
  } finally {
    await server.close();
    await on.close();
  }
});

test("the foreign database's rules are not touched", async () => {
  const on = await startTestServer();
  await on.stop();
  const server = await startServer({ ...on.config, trustDomain: "other.test", rules: [] }, { logger: silentLogger });
  await server.close();
  const again = await startTestServer({ again: on });
  try {
    await enrol(again, "still");
  } finally {
    await again.close();
  }
});

test("without the authority's key nothing is issued; the key put back, it goes on", async () => {
  const on = await startTestServer();
  await on.stop();
  const keys = join(on.dataDir, "keys");
  const [name] = readdirSync(keys);
  const [key, aside] = [join(keys, String(name)), join(on.dataDir, "aside")];
  renameSync(key, aside);
  const again = await startTestServer({ again: on });
  try {
    assert.equal(again.server.addresses.grpc, undefined);
    const { status, body } = await readyz(again);
    assert.equal(status, 503);
    assert.ok(
      body.reasons.some((reason) => reason.code === "MCA_AUTHORITY_KEY_MISSING"),
      JSON.stringify(body),
    );
    assert.equal(await localHealth(again), "NOT_SERVING");
    assert.equal(await watchOnce(again), "example.test");
    renameSync(aside, key);
    await until(async () => (await readyz(again)).status === 200, "the server is ready again", 45_000);
    await until(async () => (await localHealth(again)) === "SERVING", "health says so too");
    await enrol(again, "mended");
  } finally {
    await again.close();
  }
});

test("clocks that differ by more than ten seconds stop issuance with MCA_CLOCK_SKEW until they agree", async () => {
  let offset = 0;
  const on = await startTestServer({ clock: { now: () => systemClock.now() + offset } });
  try {
    const identity = await enrol(on, "skewed");
    offset = 40_000;
    const error = await refusal(renew(connect(on.address, identity)));
    assert.equal(error.mca, "MCA_CLOCK_SKEW");
    offset = 0;
    await until(
      () =>
        renew(connect(on.address, identity)).then(
          () => true,
          () => false,
        ),
      "issuance goes on",
    );
  } finally {
    await on.close();
  }
});

test("the database lost while running: UNAVAILABLE with MCA_LEDGER_UNAVAILABLE, not ready, and it recovers by itself", async () => {
  const on = await startTestServer();
  const name = /\/([^/?]+)\?/.exec(on.database?.connectionString ?? "")?.[1];
  const administer = async (text: string): Promise<void> => {
    // On another database of the same server: connections to this one are what is cut.
    const { openDatabase } = await import("../../src/ca/index.ts");
    const connectionString = (on.database?.connectionString ?? "").replace(`/${name}?`, "/postgres?");
    const database = await openDatabase({ connectionString, poolSize: 1, logger: silentLogger });
    await database.query({ name: "", text });
    await database.close();
  };
  try {
    const identity = await enrol(on, "outage");
    const client = connect(on.address, identity);
    await administer(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await administer(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    const error = await refusal(renew(client));
    assert.equal(error.mca, "MCA_LEDGER_UNAVAILABLE", error.details);
    assert.equal(error.code, 14);
    await until(async () => (await readyz(on)).status === 503, "readiness tells of the outage");
    assert.equal((await fetch(`http://127.0.0.1:${on.server.addresses.operations.port}/healthz`)).status, 200);
    await administer(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await until(async () => (await readyz(on)).status === 200, "it is ready again", 30_000);
    await renew(client);
    await enrol(on, "afterwards");
  } finally {
    await on.close();
  }
});

test("a taken port says so, and nothing of the server stays behind", async () => {
  const on = await startTestServer();
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  assert.ok(address !== null && typeof address !== "string");
  await on.stop();
  const blocked = {
    ...on.config,
    listen: { ...on.config.listen, operations: { host: "127.0.0.1", port: address.port } },
  };
  await assert.rejects(startServer(blocked, { logger: silentLogger }), { code: "MCA_LISTEN_FAILED" });
  const tls = { ...on.config, listen: { ...on.config.listen, grpc: { ...on.config.listen.grpc, port: address.port } } };
  await assert.rejects(startServer(tls, { logger: silentLogger }), { code: "MCA_TLS_LISTEN_FAILED" });
  taken.close();
  const again = await startTestServer({ again: on });
  await again.close();
});

test("a production domain's socket asks for a reason, alarms, and records it", async () => {
  const on = await startTestServer({ development: false });
  try {
    const error = await refusal(createToken(on.server, { service: "x" }));
    assert.equal(error.mca, "MCA_REASON_REQUIRED");
    const { Metadata } = await import("@grpc/grpc-js");
    const { call } = await import("./fixture.ts");
    const { CreateJoinTokenRequest } = await import("../../src/proto/gen/meshca/identity/v1/admin.ts");
    const { tokens } = local(on.server);
    const metadata = new Metadata();
    metadata.set("mca-reason", "the on-call engineer restores the cart service");
    await call(tokens, tokens.createJoinToken, CreateJoinTokenRequest.fromPartial({ attributes: { service: "x" } }), {
      metadata,
    });
    const [alarm] = on.log.of("access.break_glass");
    assert.equal(alarm?.["alarm"], true);
    assert.match(String(alarm?.["reason"]), /on-call/);
    const [entry] =
      (await on.database?.owner.query<{ text: string }>({
        name: "",
        text: "SELECT convert_from(bytes, 'UTF8') AS text FROM ledger_entry WHERE convert_from(bytes, 'UTF8') LIKE '%access.called%'",
      })) ?? [];
    assert.match(entry?.text ?? "", /on-call engineer/);
  } finally {
    await on.close();
  }
});

test("init is for nobody else: two trust domains on one machine do not meet", async () => {
  const one = await startTestServer();
  const two = await startTestServer({ changes: { trustDomain: "two.test" } });
  try {
    await assert.rejects(initialise({ config: two.config, development: true, logger: silentLogger }), {
      code: "MCA_DATA_DIR_IN_USE",
    });
    assert.equal((await enrol(one, "a")).response.spiffeId, "spiffe://example.test/a");
    assert.equal((await enrol(two, "a")).response.spiffeId, "spiffe://two.test/a");
  } finally {
    await one.close();
    await two.close();
  }
});

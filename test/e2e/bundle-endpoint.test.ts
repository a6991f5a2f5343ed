// The bundle endpoint of a whole server: the same bytes as the export command's, and an answer also while nothing is issued.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openDatabase } from "../../src/ca/index.ts";
import { startServer } from "../../src/identity-api/index.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { parseBundle, parseTrustFile, publishedAnchors, TrustDomain } from "../../src/spiffe/index.ts";
import { decodePem, parseCertificate } from "../../src/x509/index.ts";
import { cli } from "../cli/run.ts";
import { ask, createWebLeaf, webLeaf } from "../identity-api/http/https-support.ts";
import { closeClients, readyz, startTestServer, type TestServer, until } from "./fixture.ts";

after(closeClients);
const TRUST_DOMAIN = TrustDomain.parse("example.test");
const folder = mkdtempSync(join(tmpdir(), "mesh-ca-web-e2e-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const files = { certificateFile: join(folder, "web.pem"), keyFile: join(folder, "web.key") };
writeFileSync(files.certificateFile, webLeaf.pem);
writeFileSync(files.keyFile, webLeaf.keyPem);

/** The listener of a server that shows files of a web certificate. */
const withFiles = {
  listen: {
    grpc: { host: "127.0.0.1", port: 0 },
    https: { host: "127.0.0.1", port: 0, ...files },
    operations: { port: 0 },
  },
};

const portOf = (on: Pick<TestServer, "server">): number => on.server.addresses.https?.port ?? 0;
const anyServer = { rejectUnauthorized: false };

test("what is exported and what is served agree: the same bytes as SPIFFE, the same anchors in the same order elsewhere", async () => {
  const on = await startTestServer();
  try {
    const exported = async (format: string): Promise<string> => {
      const out = join(folder, format);
      const args = ["bundle", "export", "--socket", on.server.adminSocket, "--format", format, "--out", out];
      const { code, stderr } = await cli(args);
      assert.equal(code, 0, stderr);
      return readFileSync(out, "latin1");
    };
    const { body } = await ask(portOf(on), "/v1/bundle", { tls: anyServer });
    assert.equal(await exported("spiffe"), body.toString("latin1"));
    const { x509Authorities, sequence } = parseBundle(body.toString("utf8"), TRUST_DOMAIN);
    const served = x509Authorities.map(({ sha256 }) => sha256);
    const pem = decodePem(await exported("pem")).map(({ der }) => parseCertificate(der).sha256);
    assert.deepEqual(pem, served);
    const der = Buffer.concat(x509Authorities.map((certificate) => certificate.der)).toString("latin1");
    assert.equal(await exported("der"), der);
    const trust = parseTrustFile(await exported("mesh-ca"));
    assert.equal(trust.sequence, sequence);
    assert.deepEqual(
      publishedAnchors(trust).map(({ sha256 }) => sha256),
      served,
    );
  } finally {
    await on.close();
  }
});

test("the bundle is served while the database is away and nothing is issued", async () => {
  const on = await startTestServer({ changes: withFiles });
  const name = /\/([^/?]+)\?/.exec(on.database?.connectionString ?? "")?.[1];
  const connectionString = (on.database?.connectionString ?? "").replace(`/${name}?`, "/postgres?");
  const database = await openDatabase({ connectionString, poolSize: 1, logger: silentLogger });
  try {
    const before = await ask(portOf(on));
    assert.equal(before.status, 200);
    await database.query({ name: "", text: `ALTER DATABASE ${name} ALLOW_CONNECTIONS false` });
    const text = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`;
    await database.query({ name: "", text });
    await until(async () => (await readyz(on)).status === 503, "readiness tells of the outage");
    const during = await ask(portOf(on));
    assert.deepEqual([during.status, during.headers["etag"]], [200, before.headers["etag"]]);
    await database.query({ name: "", text: `ALTER DATABASE ${name} ALLOW_CONNECTIONS true` });
  } finally {
    await database.close();
    await on.close();
  }
});

test("an authority that has expired is still told, by a certificate from files; without one the port is closed", async () => {
  const on = await startTestServer({ changes: withFiles });
  const before = await ask(portOf(on));
  await on.stop();
  const clock = { now: () => systemClock.now() + 8 * 86_400_000 };
  const later = join(folder, "later");
  const leaf = createWebLeaf({ notAfter: systemClock.now() + 60 * 86_400_000 });
  writeFileSync(`${later}.pem`, leaf.pem);
  writeFileSync(`${later}.key`, leaf.keyPem);
  const https = { ...on.config.listen.https, certificateFile: `${later}.pem`, keyFile: `${later}.key` };
  const config = { ...on.config, listen: { ...on.config.listen, https } };
  const expired = await startServer(config, { logger: silentLogger, clock });
  try {
    assert.equal(expired.addresses.grpc, undefined);
    const answer = await ask(portOf({ server: expired }));
    assert.deepEqual([answer.status, answer.headers["etag"]], [200, before.headers["etag"]]);
  } finally {
    await expired.close();
  }
  const own = {
    ...on.config,
    listen: { ...on.config.listen, https: { ...https, certificateFile: null, keyFile: null } },
  };
  const closed = await startServer(own, { logger: silentLogger, clock });
  try {
    assert.equal(closed.addresses.https, undefined);
  } finally {
    await closed.close();
    await on.close();
  }
});

test("before the first authority is signed there is no bundle, and it says so instead of telling an empty one", async () => {
  const on = await startTestServer({ changes: { ...withFiles, authority: { upstream: "offline" } } });
  try {
    const { status, headers, json } = await ask(portOf(on));
    assert.equal(status, 503);
    assert.equal(headers["retry-after"], "30");
    assert.match(JSON.stringify(json), /MCA_BUNDLE_UNAVAILABLE.*waits for a signature/);
  } finally {
    await on.close();
  }
});

test("another trust domain's database: its bundle is not told under this one's address", async () => {
  const on = await startTestServer({ changes: withFiles });
  await on.stop();
  const server = await startServer({ ...on.config, trustDomain: "other.test" }, { logger: silentLogger });
  try {
    const { status, json } = await ask(portOf({ server }));
    assert.equal(status, 503);
    assert.match(JSON.stringify(json), /MCA_BUNDLE_UNAVAILABLE.*another trust domain/);
  } finally {
    await server.close();
    await on.close();
  }
});

test("a web certificate that cannot be used is a note; identities are issued all the same", async () => {
  const https = {
    host: "127.0.0.1",
    port: 0,
    certificateFile: join(folder, "none.pem"),
    keyFile: join(folder, "none.key"),
  };
  const on = await startTestServer({ changes: { listen: { ...withFiles.listen, https } } });
  try {
    const { host, port } = on.server.addresses.operations;
    const answer = await fetch(`http://${host}:${port}/readyz`);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /"about":"listen\.https","sentence":".*none\.pem cannot be read/);
    assert.equal(on.server.addresses.https, undefined);
  } finally {
    await on.close();
  }
});

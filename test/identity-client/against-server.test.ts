// The SDK against the real server: what only both together can get right (tokens, lineages, replays, restarts).
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SvidSource, type SvidSourceOptions, writeSvidFolder } from "../../src/identity-client/index.ts";
import { encodeTrustFile } from "../../src/spiffe/index.ts";
import { closeClients, createToken, listed, startTestServer, type TestServer, until } from "../e2e/fixture.ts";
import { temporaryDirectory } from "./helpers.ts";
import { signJwt } from "./jwt.ts";

const issuer = "https://issuer.example.test";
const audience = "mesh-ca:example.test";
const jwtKey = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwksFile = join(temporaryDirectory(), "jwks.json");
let api: TestServer;

before(async () => {
  const jwk = { ...jwtKey.publicKey.export({ format: "jwk" }), kid: "k1", alg: "ES256", use: "sig" };
  writeFileSync(jwksFile, JSON.stringify({ keys: [jwk] }));
  api = await startTestServer({
    changes: {
      attestors: {
        token: { kind: "join-token" },
        ci: { kind: "jwt", issuer, audience, jwksFile, claims: { job: "job" } },
      },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
        { name: "jobs", match: { "ci.job": "*" }, spiffeId: "spiffe://{trustDomain}/ci/{ci.job}" },
      ],
      quotas: { lineage: { burst: 1000, perHour: 100_000 } },
    },
  });
});

after(async () => {
  closeClients();
  await api.close();
});

async function start(options: Partial<SvidSourceOptions>): Promise<SvidSource> {
  return SvidSource.start({ startTimeoutMs: 0, memoryOnly: true, ...options } as SvidSourceOptions);
}

async function join_(service: string, options: Partial<SvidSourceOptions> = {}): Promise<SvidSource> {
  return start({ joinToken: { text: await createToken(api.server, { service }) }, ...options });
}

test("A workload joins by token, and its identity, rule and ledger entry are the ones on record", async () => {
  await using source = await join_("cart");
  const svid = source.current();
  assert.equal(svid.id.toString(), "spiffe://example.test/cart");
  assert.equal(svid.rule, "services");
  const [row] = await listed(api, { serial: svid.serial });
  assert.equal(row?.logIndex, svid.logIndex);
  assert.equal(row?.spiffeId, svid.id.toString());
  assert.equal(row?.notAfter?.getTime(), svid.notAfter);
  assert.ok(svid.renewAt > Date.now() && svid.renewAt < svid.notAfter);
});

test("Twenty renewals in a row over one connection make one lineage, and none of them alarms", async () => {
  await using source = await join_("chain");
  const { lineage } = source.current();
  const serials = new Set([source.current().serial]);
  for (let i = 0; i < 20; i++) {
    const svid = await source.renew();
    assert.equal(svid.lineage, lineage);
    serials.add(svid.serial);
  }
  assert.equal(serials.size, 21);
  const rows = await listed(api, { lineage });
  assert.deepEqual(new Set(rows.map(({ serial }) => serial)), serials);
});

test("Renewals across restarts of the workload, each over a new connection, keep the lineage healthy", async () => {
  const stateDir = temporaryDirectory();
  await using first = await join_("restarts", { stateDir, memoryOnly: undefined } as Partial<SvidSourceOptions>);
  const { lineage } = first.current();
  await first.close();
  for (let i = 0; i < 5; i++) {
    await using source = await SvidSource.start({ stateDir });
    await source.renew();
    await source.renew();
    assert.equal(source.current().lineage, lineage);
  }
});

test("A crash between the answer and its keeping costs nothing: the next start asks with the same key", async () => {
  const stateDir = temporaryDirectory();
  const svidFile = join(stateDir, "svid.json");
  const pendingFile = join(stateDir, "pending.json");
  const token = await createToken(api.server, { service: "crash" });
  const options: SvidSourceOptions = { stateDir, joinToken: { text: token }, startTimeoutMs: 0 };

  // Joining: the certificate is lost, the pending key is still there, as if the process had died before it read the answer.
  const joined = await SvidSource.start(options);
  const { serial } = joined.current();
  await joined.close();
  const kept = JSON.parse(readFileSync(svidFile, "utf8"));
  writeFileSync(pendingFile, JSON.stringify({ version: 1, purpose: kept.evidence, keyPem: kept.keyPem }), {
    mode: 0o600,
  });
  writeFileSync(svidFile, "");
  const again = await SvidSource.start(options);
  assert.equal(again.current().serial, serial, "the recorded answer is repeated");

  // Renewing: the same.
  const before = readFileSync(svidFile, "utf8");
  const renewed = await again.renew();
  await again.close();
  const lost = JSON.parse(readFileSync(svidFile, "utf8"));
  writeFileSync(pendingFile, JSON.stringify({ version: 1, purpose: `renew:${serial}`, keyPem: lost.keyPem }), {
    mode: 0o600,
  });
  writeFileSync(svidFile, before);
  await using third = await SvidSource.start(options);
  assert.equal(third.current().serial, serial);
  assert.equal((await third.renew()).serial, renewed.serial, "the recorded answer is repeated");
  assert.ok(!existsSync(pendingFile));
  await third.renew();
});

test("A token that another workload redeemed is refused with the server's own code and sentence", async () => {
  const token = await createToken(api.server, { service: "twice" });
  await using _first = await start({ joinToken: { text: token } });
  await assert.rejects(start({ joinToken: { text: token } }), (error) => {
    assert.ok(error instanceof Error && "code" in error);
    assert.equal(error.code, "MCA_TOKEN_REDEEMED");
    assert.match(error.message, /token create/);
    return true;
  });
});

test("A workload with a JWT enrols after it has verified the server by a trust file", async () => {
  await using operator = await join_("operator");
  const directory = temporaryDirectory();
  const trustFile = join(directory, "trust.json");
  writeFileSync(trustFile, encodeTrustFile(operator.trust()));
  const jwtFile = join(directory, "jwt");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, aud: audience, sub: "job:build", job: "build", iat: now, exp: now + 300 };
  writeFileSync(jwtFile, signJwt(jwtKey.privateKey, "k1", claims));
  const options = { server: api.address, trustFile, jwt: { file: jwtFile, attestor: "ci" } };
  await using source = await start(options);
  assert.equal(source.current().id.toString(), "spiffe://example.test/ci/build");
  await source.renew();
  writeFileSync(jwtFile, signJwt(jwtKey.privateKey, "k1", { ...claims, aud: "somebody else" }));
  await assert.rejects(start(options), { code: "MCA_JWT_AUDIENCE" });
});

test("A source rides over a restart of the server: the stream and the renewals come back", async () => {
  const own = await startTestServer();
  const token = await createToken(own.server, { service: "patient" });
  const port = Number(own.address.split(":")[1]);
  await using source = await start({ joinToken: { text: token }, server: `127.0.0.1:${port}` });
  await own.stop();
  await assert.rejects(source.renew(), { code: "MCA_SERVER_UNAVAILABLE" });
  assert.equal(source.health().kind, "renewal-failing");
  const listen = { ...own.config.listen, grpc: { ...own.config.listen.grpc, port } };
  const again = await startTestServer({ again: { ...own, config: { ...own.config, listen } } });
  try {
    await until(() => source.health().kind === "fresh", "the source has renewed by itself");
  } finally {
    closeClients();
    await again.close();
  }
});

test("An SVID folder never shows a key beside a foreign certificate, however often it is swapped", async () => {
  await using source = await join_("folder");
  const directory = temporaryDirectory();
  const current = await writeSvidFolder(directory, source.current(), source.trust());
  let stop = false;
  let looks = 0;
  const reader = (async () => {
    const { open, readFile, realpath } = await import("node:fs/promises");
    const { createPrivateKey, createPublicKey, X509Certificate } = await import("node:crypto");
    while (!stop) {
      const folder = await realpath(current);
      const certificate = new X509Certificate(await readFile(join(folder, "svid.pem")));
      const key = createPublicKey(createPrivateKey(await readFile(join(folder, "svid_key.pem"))));
      assert.ok(certificate.publicKey.equals(key));
      await (await open(join(folder, "svid_bundle.pem"))).close();
      looks += 1;
    }
  })();
  for (let i = 0; i < 20; i++) await writeSvidFolder(directory, await source.renew(), source.trust());
  stop = true;
  await reader;
  assert.ok(looks > 0);
});

test("Two workloads of a real trust domain speak mTLS in five lines", async () => {
  await using cart = await join_("cart");
  await using web = await join_("web");
  const server = cart.createTlsServer({ allow: "spiffe://example.test/web" }, (socket, peer) =>
    socket.end(`hello ${peer.id}`),
  );
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  const socket = await web.connect({ host: "127.0.0.1", port, expect: "spiffe://example.test/cart" });
  const [bytes] = await once(socket, "data");
  assert.equal(String(bytes), "hello spiffe://example.test/web");
  await server.close(100);
});

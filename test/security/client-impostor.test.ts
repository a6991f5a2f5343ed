// Bug class: a secret or a signature goes to whoever answers at the server's address.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as tls from "node:tls";
import { SvidSource } from "../../src/identity-client/index.ts";
import { encodeTrustFile, type TrustSet } from "../../src/spiffe/index.ts";
import { serverTlsOptions } from "../../src/tls/index.ts";
import { FaultyServer, pinOf } from "../identity-client/faulty-server.ts";
import { createAuthority, temporaryDirectory, trustDomain, trustOf } from "../identity-client/helpers.ts";
import { createIntermediate, createLeaf, createRoot, type TestCertificate } from "../support/pki.ts";

const SERVER_ID = "spiffe://example.test/mesh-ca/server";
const untrusted = { code: "MCA_SERVER_UNTRUSTED" };
const authority = createAuthority();

/** Ends TLS with a certificate of its own, reads everything, and relays to the real server. */
interface Relay {
  readonly address: string;
  /** Everything that clients sent, decrypted. */
  heard(): string;
  connections: number;
}

async function startRelay(t: TestContext, identity: TestCertificate, target: number): Promise<Relay> {
  const heard: Buffer[] = [];
  const options = serverTlsOptions(
    { certificateChainPem: identity.pem, privateKeyPem: identity.keyPem, notAfter: identity.certificate.notAfter },
    { alpn: ["h2"] },
  );
  const relay: { connections: number } = { connections: 0 };
  const sockets = new Set<net.Socket>();
  const server = tls.createServer(options, (socket) => {
    relay.connections += 1;
    const upstream = net.connect(target, "127.0.0.1");
    sockets.add(socket);
    sockets.add(upstream);
    socket.on("error", () => {});
    upstream.on("error", () => {});
    socket.on("data", (bytes: Buffer) => heard.push(bytes));
    socket.pipe(upstream).pipe(socket);
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new TypeError("no port");
  return Object.assign(relay, {
    address: `127.0.0.1:${bound.port}`,
    heard: () => Buffer.concat(heard).toString("latin1"),
  });
}

async function startServer(t: TestContext): Promise<{ server: FaultyServer; plain: number }> {
  const server = await FaultyServer.start({ authority });
  t.after(() => server.stop());
  return { server, plain: await server.listenPlain() };
}

function attempt(options: { server: string; token?: string; trust?: TrustSet; jwt?: string }) {
  const directory = temporaryDirectory();
  const trustFile = join(directory, "trust.json");
  if (options.trust !== undefined) writeFileSync(trustFile, encodeTrustFile(options.trust));
  const jwtFile = join(directory, "jwt");
  if (options.jwt !== undefined) writeFileSync(jwtFile, options.jwt);
  return SvidSource.start({
    server: options.server,
    memoryOnly: true,
    startTimeoutMs: 0,
    callTimeoutMs: 5_000,
    ...(options.token === undefined ? {} : { joinToken: { text: options.token } }),
    ...(options.trust === undefined ? {} : { trustFile }),
    ...(options.jwt === undefined ? {} : { jwt: { file: jwtFile } }),
  });
}

/** Neither the token's text nor any longer piece of it. */
function assertNotHeard(heard: string, secret: string): void {
  for (let i = 0; i + 16 <= secret.length; i += 8) {
    assert.ok(!heard.includes(secret.slice(i, i + 16)), "a piece of the secret was sent");
  }
}

test("A relay with a certificate of an unknown CA hears no token, although it shows the real server's trust", async (t) => {
  const { server, plain } = await startServer(t);
  const token = server.token();
  const relay = await startRelay(t, createLeaf(createAuthority("Other"), { spiffeId: SERVER_ID }), plain);
  await assert.rejects(attempt({ server: relay.address, token }), untrusted);
  assert.ok(relay.connections >= 1);
  assert.match(relay.heard(), /^PRI \* HTTP\/2\.0/, "it did speak to the relay");
  assertNotHeard(relay.heard(), token);
  assert.equal(server.requests.length, 0);
});

test("The relay does hear a token that a client sends without verifying: the test can fail", async (t) => {
  const { server, plain } = await startServer(t);
  const relay = await startRelay(t, createLeaf(authority, { spiffeId: SERVER_ID }), plain);
  const token = server.token();
  await (await attempt({ server: relay.address, token })).close();
  assert.equal(server.requests.length, 1);
  assert.throws(() => assertNotHeard(relay.heard(), token));
});

test("A workload of the same trust domain cannot pose as the server: the ID is compared exactly", async (t) => {
  for (const id of [
    "spiffe://example.test/cart",
    "spiffe://example.test/mesh-ca/server/1",
    "spiffe://example.test/mesh-ca/Server",
    "spiffe://example.test/mesh-ca/agent/server",
    "spiffe://other.test/mesh-ca/server",
  ]) {
    const { server, plain } = await startServer(t);
    const relay = await startRelay(t, createLeaf(authority, { spiffeId: id }), plain);
    const token = server.token();
    await assert.rejects(attempt({ server: relay.address, token }), untrusted, id);
    assertNotHeard(relay.heard(), token);
    assert.equal(server.requests.length, 0);
  }
});

test("A sibling CA under the same enterprise root cannot pose as the server, by token or by trust file", async (t) => {
  const root = createRoot({ subject: "Enterprise Root" });
  const ours = createIntermediate(root, { subject: "mesh-ca authority" });
  const sibling = createIntermediate(root, { subject: "Some other issuing CA" });
  const real = await FaultyServer.start({ authority: ours });
  t.after(() => real.stop());
  real.alterTrust = (snapshot) => ({ ...snapshot, anchors: [root.der] });
  const plain = await real.listenPlain();
  const leaf = createLeaf(sibling, { spiffeId: SERVER_ID });
  const relay = await startRelay(t, leaf, plain);
  const token = real.token();
  await assert.rejects(attempt({ server: relay.address, token }), untrusted);
  assertNotHeard(relay.heard(), token);

  const trust = trustOf([ours], { anchors: [root.certificate] });
  await assert.rejects(attempt({ server: relay.address, trust, jwt: "a.jwt.of-ours" }), untrusted);
  assertNotHeard(relay.heard(), "a.jwt.of-ours");

  // The same by the real one, with the same anchors, is accepted.
  await (await attempt({ server: real.address, token })).close();
  await (await attempt({ server: real.address, trust, jwt: "a.jwt.of-ours" })).close();
});

test("A server that tells a trust of its own, with none of the pinned authorities, is told nothing", async (t) => {
  const impostor = await FaultyServer.start({ authority: createAuthority("Impostor") });
  t.after(() => impostor.stop());
  const token = impostor.token([pinOf(authority)]);
  await assert.rejects(attempt({ server: impostor.address, token }), untrusted);
  assert.equal(impostor.requests.length, 0);
});

test("A stated key hash proves nothing: the pin is compared with the hash of the certificate's own key", async (t) => {
  const impostor = await FaultyServer.start({ authority: createAuthority("Impostor") });
  t.after(() => impostor.stop());
  impostor.alterTrust = (snapshot) => ({
    ...snapshot,
    authorities: snapshot.authorities.map((told) => ({ ...told, spkiSha256: Buffer.from(pinOf(authority), "hex") })),
  });
  const token = impostor.token([pinOf(authority)]);
  await assert.rejects(attempt({ server: impostor.address, token }), { code: "MCA_SERVER_ANSWER_INVALID" });
  assert.equal(impostor.requests.length, 0);
});

test("A server of another trust domain, or one that names another server ID, is told nothing", async (t) => {
  for (const change of [{ trustDomain: "other.test" }, { serverId: "spiffe://example.test/cart" }]) {
    const server = await FaultyServer.start({ authority });
    t.after(() => server.stop());
    server.alterTrust = (snapshot) => ({ ...snapshot, ...change });
    await assert.rejects(attempt({ server: server.address, token: server.token() }), {
      code: "MCA_SERVER_ANSWER_INVALID",
    });
    assert.equal(server.requests.length, 0);
  }
});

test("An expired server certificate is refused before anything is sent", async (t) => {
  const { server, plain } = await startServer(t);
  const expired = createLeaf(authority, { spiffeId: SERVER_ID, notAfter: Date.now() - 60_000 });
  const relay = await startRelay(t, expired, plain);
  const token = server.token();
  await assert.rejects(attempt({ server: relay.address, token }), untrusted);
  assertNotHeard(relay.heard(), token);
});

test("A running source leaves a server whose authority becomes distrusted, and refuses it from then on", async (t) => {
  const { server } = await startServer(t);
  const source = await attempt({ server: server.address, token: server.token() });
  t.after(() => source.close());
  const { default: timers } = await import("node:timers/promises");
  while (server.watchers === 0) await timers.setTimeout(5);
  server.sequence = 2n;
  server.alterTrust = (snapshot) => ({
    ...snapshot,
    distrustedSpkiSha256: [Buffer.from(pinOf(authority), "hex")],
  });
  server.pushSnapshot();
  while (server.watchers > 0) await timers.setTimeout(5);
  await assert.rejects(source.renew(), untrusted);
  assert.equal(server.requests.length, 1);
  assert.equal(source.trust().trustDomain.name, trustDomain.name);
});

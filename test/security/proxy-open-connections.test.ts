// Bug class: a connection outlives what it was let in by. Envoy, HAProxy, nginx and plain Node keep what is open when the certificate has
// expired, the CA was removed, or the rule has changed. Here all of it ends: policy, bundle, revocation, expiry, in both directions.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrustSet } from "../../src/spiffe/index.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { decodePem, parseCertificate } from "../../src/x509/index.ts";
import { ALLOW_ALL, inboundTcp, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, startBackend } from "../proxy-tls/support/sockets.ts";
import { TestDomain } from "../proxy-tls/support/state.ts";
import { openTcpPath, type TcpPath } from "../proxy-tls/support/tcp-path.ts";
import { until } from "../tls/support/endpoints.ts";

const SERVER = "spiffe://example.test/server";

async function ends({ proxy, client, server }: TcpPath, why: string): Promise<void> {
  await client.whenClosed();
  await server.whenClosed();
  assert.equal(client.error, "ECONNRESET");
  assert.equal(server.error, "ECONNRESET");
  await until(() => proxy.observer.connections.length === 1, "the record");
  assert.equal(proxy.observer.connections[0]?.end, why);
  assert.equal(proxy.observer.counted("connection-reevaluated"), 1);
}

/** Several sweeps and rounds of judging later the connection still carries bytes. */
async function lives({ proxy, client, server }: TcpPath): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = server.length;
  client.socket.write("still there");
  await server.receive(before + 11);
  assert.equal(server.length, before + 11);
  assert.equal(proxy.observer.connections.length, 0);
}

function leafOf({ certificateChainPem }: TlsIdentity) {
  const [block] = decodePem(certificateChainPem);
  assert.ok(block !== undefined);
  return parseCertificate(block.der);
}

test("a policy that no longer allows the caller ends its connection; one that still does leaves it", async () => {
  await using connection = await openTcpPath();
  connection.proxy.setPolicies([ALLOW_ALL, { name: "others", action: "deny", rules: [{ from: { ids: [SERVER] } }] }]);
  await lives(connection);
  connection.proxy.setPolicies([
    ALLOW_ALL,
    { name: "not-you", action: "deny", rules: [{ from: { ids: ["spiffe://example.test/client"] } }] },
  ]);
  await ends(connection, "no-longer-allowed");
  assert.equal(connection.proxy.observer.connections[0]?.decision?.policy, "not-you");
});

test("a policy that is gone ends what it allowed", async () => {
  await using connection = await openTcpPath();
  connection.proxy.setPolicies([]);
  await ends(connection, "no-longer-allowed");
});

for (const direction of ["inbound", "outbound"] as const) {
  const revocations: [string, (peer: TlsIdentity) => Partial<TrustSet>][] = [
    ["its serial number is revoked", (peer) => ({ revocations: [{ kind: "serial", serial: serialOf(peer) }] })],
    [
      "its key is revoked",
      (peer) => ({ revocations: [{ kind: "spki", spkiSha256: leafOf(peer).publicKey.spkiSha256 }] }),
    ],
    [
      "its ID is revoked",
      (peer) => ({ revocations: [{ kind: "id", spiffeId: idOf(peer), issuedBefore: Date.now() + 1_000 }] }),
    ],
    ["its authority is distrusted", () => ({ distrustedSpkis: new Set([authorityKey()]) })],
  ];
  for (const [why, changes] of revocations) {
    test(`${direction}: a peer's open connection ends when ${why}`, async () => {
      const peer = world.identity(direction === "inbound" ? "/client" : "/server");
      await using connection = await openTcpPath({ direction, peer });
      connection.proxy.setTrust([world.trust(changes(peer))]);
      await ends(connection, "no-longer-trusted");
    });
  }

  test(`${direction}: a peer's open connection ends when the bundle of its trust domain is gone`, async () => {
    await using connection = await openTcpPath({ direction });
    connection.proxy.setTrust([new TestDomain("other.test").trust()]);
    await ends(connection, "no-longer-trusted");
  });

  test(`${direction}: trust that changes for others leaves the connection`, async () => {
    await using connection = await openTcpPath({ direction });
    connection.proxy.setTrust([
      world.trust({ revocations: [{ kind: "serial", serial: "01" }] }),
      new TestDomain("other.test").trust(),
    ]);
    await lives(connection);
  });

  test(`${direction}: a new identity of ours leaves the connection`, async () => {
    await using connection = await openTcpPath({ direction });
    connection.proxy.state.set({ identity: world.identity("/proxy") });
    await lives(connection);
  });

  test(`${direction}: the connection ends when the peer's certificate does, and not a second before`, async () => {
    const notAfter = Date.now() + 3_600_000;
    await using connection = await openTcpPath({
      direction,
      peer: world.identity(direction === "inbound" ? "/client" : "/server", { notAfter }),
    });
    connection.proxy.clock.offsetMs = 3_590_000;
    await lives(connection);
    connection.proxy.clock.offsetMs = 3_601_000;
    await ends(connection, "peer-expired");
  });

  test(`${direction}: a grace after the certificate's end is kept, through changes of trust, and then over`, async () => {
    const notAfter = Date.now() + 3_600_000;
    await using connection = await openTcpPath({
      direction,
      peer: world.identity(direction === "inbound" ? "/client" : "/server", { notAfter }),
      settings: { expiry: { tcpGraceSeconds: 600 } },
    });
    connection.proxy.clock.offsetMs = 3_601_000;
    connection.proxy.setTrust([world.trust()]);
    await lives(connection);
    connection.proxy.clock.offsetMs = 4_201_000;
    await ends(connection, "peer-expired");
  });
}

test("a silent connection ends after tcpIdleMs, and one that speaks does not", async () => {
  await using connection = await openTcpPath({ settings: { timeouts: { tcpIdleMs: 400 } } });
  const speaking = setInterval(() => connection.client.socket.write("."), 50);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(connection.client.closed, "no");
  clearInterval(speaking);
  await connection.client.whenClosed();
  await until(() => connection.proxy.observer.connections.length === 1, "the record");
  assert.equal(connection.proxy.observer.connections[0]?.end, "idle");
});

test("hundreds of connections of as many peers are judged again, and exactly the revoked ones end", async () => {
  await using backend = await startBackend();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const peers = Array.from({ length: 60 }, (_, index) => world.identity(`/client/${index}`));
  const clients = await Promise.all(peers.map((peer) => connectClient(proxy.port("in"), peer)));
  await until(() => backend.ends.length === 60, "all are through");
  const revoked = (index: number): boolean => index % 3 === 0;
  proxy.setTrust([
    world.trust({
      revocations: peers.flatMap((peer, index) =>
        revoked(index) ? [{ kind: "serial", serial: serialOf(peer) } as const] : [],
      ),
    }),
  ]);
  await until(() => proxy.observer.connections.length === 20, "the revoked ones have ended");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(
    clients.map(({ closed }) => closed !== "no"),
    peers.map((_, index) => revoked(index)),
  );
  for (const { socket } of clients) socket.destroy();
});

function serialOf(identity: TlsIdentity): string {
  return leafOf(identity).serialHex;
}

function idOf(identity: TlsIdentity): string {
  const uri = leafOf(identity).subjectAltName?.names.find(({ kind }) => kind === "uri");
  assert.ok(uri?.kind === "uri");
  return uri.value;
}

function authorityKey(): string {
  const authority = world.trust().authorities?.[0];
  assert.ok(authority !== undefined);
  return authority.publicKey.spkiSha256;
}

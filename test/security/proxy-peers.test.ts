// Bug class: somebody is taken for somebody else. On inbound listeners and towards targets only a verified SPIFFE ID of a trusted domain
// counts: not a host name, not the first of two IDs, not a sibling CA, not yesterday's bundle; and no session is ever resumed.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrustSet } from "../../src/spiffe/index.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { ALLOW_ALL, inboundTcp, outboundTcp, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, connectPlain, startBackend, startEcho, startTlsBackend } from "../proxy-tls/support/sockets.ts";
import { TestDomain } from "../proxy-tls/support/state.ts";
import { silentConnection, until } from "../tls/support/endpoints.ts";

const SERVER = "spiffe://example.test/server";
const HOUR_MS = 3_600_000;
const other = new TestDomain("other.test");
/** Same name, other keys: what an attacker makes, or a CA that was replaced. */
const stale = new TestDomain("example.test");

const strangers: readonly { readonly what: string; readonly code: string; identity(path: string): TlsIdentity }[] = [
  {
    what: "two SPIFFE IDs in one certificate",
    code: "MCA_SVID_INVALID",
    identity: (path) => world.identity(path, { names: [{ kind: "uri", value: "spiffe://example.test/second" }] }),
  },
  {
    what: "a host name and no SPIFFE ID",
    code: "MCA_SVID_INVALID",
    identity: () => world.identityWith({ names: [{ kind: "dns", value: "localhost" }], subject: "localhost" }),
  },
  {
    what: "a host name that prints like a SPIFFE ID",
    code: "MCA_SVID_INVALID",
    identity: (path) => world.identityWith({ names: [{ kind: "dns", value: `a, URI:spiffe://example.test${path}` }] }),
  },
  {
    what: "an ID of another trust domain, by its own CA",
    code: "MCA_SVID_UNTRUSTED",
    identity: (path) => other.identity(path),
  },
  {
    what: "an ID of our trust domain by another domain's CA",
    code: "MCA_SVID_UNTRUSTED",
    identity: (path) => other.identity(path, { names: [], spiffeId: `spiffe://example.test${path}` }),
  },
  {
    what: "an ID of our trust domain by a CA of the same name",
    code: "MCA_SVID_UNTRUSTED",
    identity: (path) => stale.identity(path),
  },
  {
    what: "an ID of our trust domain by a sibling CA under the same root (X-16)",
    code: "MCA_SVID_UNTRUSTED",
    identity: (path) => world.siblingIdentity(path),
  },
  {
    what: "an expired certificate",
    code: "MCA_SVID_EXPIRED",
    identity: (path) => world.identity(path, { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() - 1_000 }),
  },
  {
    what: "a certificate that is not valid yet",
    code: "MCA_SVID_NOT_YET_VALID",
    identity: (path) => world.identity(path, { notBefore: Date.now() + HOUR_MS, notAfter: Date.now() + 2 * HOUR_MS }),
  },
];

for (const { what, code, identity } of strangers) {
  test(`inbound: ${what} is nobody, whatever the policies allow`, async () => {
    await using backend = await startBackend();
    await using proxy = await startProxy({
      listeners: [inboundTcp(backend.port)],
      policies: [ALLOW_ALL, { name: "others", action: "allow", rules: [{ from: { ids: ["spiffe://other.test/*"] } }] }],
    });
    const client = await connectClient(proxy.port("in"), identity("/client"));
    client.socket.write("let me in");
    await client.whenEnded();
    client.socket.destroy();
    assert.equal(client.length, 0);
    assert.equal(backend.ends.length, 0);
    assert.equal(proxy.plane.counts()[0]?.refused.get(code), 1);
  });

  test(`outbound: a target with ${what} gets no byte`, async () => {
    await using backend = await startTlsBackend(identity("/server"));
    await using proxy = await startProxy({ listeners: [outboundTcp(backend.port, [SERVER])] });
    const client = await connectPlain({ port: proxy.port("out") });
    client.socket.write("secret");
    await client.whenClosed();
    assert.equal(client.error, "ECONNRESET");
    assert.deepEqual(
      backend.ends.map(({ text }) => text).filter((text) => text !== ""),
      [],
    );
    assert.equal(proxy.observer.connections[0]?.end, "upstream-unavailable");
    assert.ok(proxy.log.codes().includes(code), String(proxy.log.codes()));
  });
}

test("inbound: a client without a certificate is nobody", async () => {
  await using backend = await startBackend();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const client = await connectClient(proxy.port("in"), undefined);
  await client.whenEnded();
  client.socket.destroy();
  assert.equal(backend.ends.length, 0);
});

test("outbound: a good identity that is not the expected one gets no byte; the next target that is gets them", async () => {
  await using wrong = await startTlsBackend(world.identity("/somebody-else"));
  await using right = await startTlsBackend(world.identity("/server"), ({ socket }) => socket.end("right"));
  const targets = [wrong, right].map(({ port }) => ({ host: "127.0.0.1", port }));
  await using proxy = await startProxy({ listeners: [outboundTcp(0, [SERVER], { targets })] });
  for (let turn = 0; turn < 4; turn++) {
    const client = await connectPlain({ port: proxy.port("out") });
    client.socket.end("secret");
    await client.whenEnded();
    assert.equal(client.text, "right");
  }
  assert.ok(wrong.ends.every(({ length }) => length === 0));
  assert.ok(proxy.log.codes().includes("MCA_PEER_ID_UNEXPECTED"));
});

test("federated: a member of another domain is itself, and never an ID of ours", async () => {
  await using backend = await startEcho();
  await using proxy = await startProxy({
    listeners: [inboundTcp(backend.port)],
    policies: [{ name: "partners", action: "allow", rules: [{ from: { ids: ["spiffe://other.test/partner"] } }] }],
    trust: [world.trust(), other.trust({ authorities: undefined })],
  });
  const good = await connectClient(proxy.port("in"), other.identity("/partner"));
  good.socket.write("hello");
  await good.receive(5);
  good.socket.destroy();
  const forged = await connectClient(
    proxy.port("in"),
    other.identity("/x", { names: [], spiffeId: "spiffe://example.test/client" }),
  );
  await forged.whenEnded();
  forged.socket.destroy();
  assert.equal(forged.length, 0);
  assert.equal(proxy.plane.counts()[0]?.refused.get("MCA_SVID_UNTRUSTED"), 1);
});

test("a revoked certificate is nobody from the next handshake on, although it was let in before", async () => {
  await using backend = await startEcho();
  await using proxy = await startProxy({ listeners: [inboundTcp(backend.port)], policies: [ALLOW_ALL] });
  const identity = world.identity("/client");
  const first = await connectClient(proxy.port("in"), identity);
  first.socket.write("x");
  await first.receive(1);
  const changes: Partial<TrustSet> = {
    revocations: [{ kind: "id", spiffeId: "spiffe://example.test/client", issuedBefore: Date.now() + 1_000 }],
  };
  proxy.setTrust([world.trust(changes)]);
  const second = await connectClient(proxy.port("in"), identity);
  await second.whenEnded();
  for (const { socket } of [first, second]) socket.destroy();
  assert.equal(second.length, 0);
  assert.equal(proxy.plane.counts()[0]?.refused.get("MCA_SVID_REVOKED"), 1);
});

test("no session of a proxy is resumed, neither on its listeners nor towards its targets", async () => {
  const resumed: boolean[] = [];
  await using target = await startTlsBackend(world.identity("/server"), ({ socket }) => {
    resumed.push(socket.isSessionReused());
    socket.end("x");
  });
  await using inner = await startEcho();
  await using proxy = await startProxy({
    listeners: [inboundTcp(inner.port), outboundTcp(target.port, [SERVER])],
    policies: [ALLOW_ALL],
  });
  for (let turn = 0; turn < 3; turn++) {
    const client = await connectPlain({ port: proxy.port("out") });
    client.socket.end();
    await client.whenEnded();
  }
  assert.deepEqual(resumed, [false, false, false]);
  const identity = world.identity("/client");
  const sessions: Buffer[] = [];
  const first = await connectClient(proxy.port("in"), identity);
  first.socket.on("session", (session: Buffer) => sessions.push(session));
  first.socket.write("x");
  await first.receive(1);
  const present = first.socket.getSession();
  if (present !== undefined) sessions.push(present);
  first.socket.destroy();
  assert.ok(sessions.length > 0);
  for (const session of sessions) {
    const again = await connectClient(proxy.port("in"), identity, { tls: { session } });
    again.socket.write("y");
    await again.receive(1);
    assert.equal(again.socket.isSessionReused(), false);
    again.socket.destroy();
  }
});

test("outbound: a target that refuses our certificate is a failure, not an empty answer", async () => {
  await using app = await startEcho();
  // The far proxy trusts another domain: it refuses us after the handshake, which a TLS 1.3 client sees at the first read.
  await using far = await startProxy({
    listeners: [inboundTcp(app.port)],
    id: "/server",
    trust: [other.trust()],
    policies: [ALLOW_ALL],
  });
  await using near = await startProxy({ listeners: [outboundTcp(far.port("in"), [SERVER])] });
  const client = await connectPlain({ port: near.port("out") });
  client.socket.write("hello?");
  await client.whenClosed();
  assert.equal(client.error, "ECONNRESET");
  assert.equal(client.ended, false);
  assert.equal(near.observer.connections[0]?.end, "upstream-unavailable");
  assert.equal(app.ends.length, 0);
});

test("40 silent and 20 garbage connections hang on while a good client is served, and are gone at the deadline", async () => {
  await using backend = await startEcho();
  await using proxy = await startProxy({
    listeners: [inboundTcp(backend.port)],
    policies: [ALLOW_ALL],
    settings: { timeouts: { handshakeMs: 700 } },
  });
  const port = proxy.port("in");
  const silent = await Promise.all(Array.from({ length: 40 }, () => silentConnection(port)));
  const garbage = await Promise.all(Array.from({ length: 20 }, () => silentConnection(port)));
  for (const [index, socket] of garbage.entries())
    socket.write(index % 2 === 0 ? "GET / HTTP/1.1\r\n\r\n" : "\x16\x03\x01");
  const client = await connectClient(port, world.identity("/client"));
  client.socket.write("served");
  assert.equal(await client.receive(6), "served");
  client.socket.destroy();
  await until(() => [...silent, ...garbage].every(({ destroyed }) => destroyed), "all of them are closed");
  assert.equal(proxy.plane.counts()[0]?.handshakes, 0);
});

// Bug class: a resumed TLS session skips the check of the peer's certificate. No listener of ours resumes, in whatever way a
// client asks for it, and no client of ours offers to. The first test shows that the harness would notice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ConnectionOptions, createServer, type TLSSocket } from "node:tls";
import { X509SvidVerifier } from "../../src/spiffe/index.ts";
import { connectTls, TlsError } from "../../src/tls/index.ts";
import { trustOf } from "../spiffe/support.ts";
import { createLeaf } from "../support/pki.ts";
import {
  authority,
  clientIdentity,
  clientLeaf,
  closeOf,
  identityOf,
  rawClient,
  root,
  serials,
  serialsOf,
  serverIdentity,
  startListener,
  until,
} from "../tls/support/endpoints.ts";

const withCertificate = { cert: clientIdentity.certificateChainPem, key: clientIdentity.privateKeyPem };

/** Connects, collects every session that the server gives out, and ends. */
async function sessionsOf(port: number, options: ConnectionOptions): Promise<Buffer[]> {
  const sessions: Buffer[] = [];
  const { socket, accepted } = await rawClient(port, options);
  assert.equal(accepted, true);
  socket.on("session", (session) => sessions.push(session));
  // TLS 1.3 tickets come after the first byte or before it; TLS 1.2 has its session at once.
  const present = socket.getSession();
  if (present !== undefined) sessions.push(present);
  await until(() => sessions.length > 0, "the client holds a session to offer");
  await new Promise((resolve) => setTimeout(resolve, 30));
  const last = socket.getSession();
  if (last !== undefined) sessions.push(last);
  socket.destroy();
  return sessions;
}

/** Offers each session in turn and expects a full handshake that the listener judges. */
async function expectNoResumption(
  listener: Awaited<ReturnType<typeof startListener>>,
  sessions: readonly Buffer[],
  options: ConnectionOptions,
): Promise<void> {
  for (const session of sessions) {
    const before = listener.accepted.length;
    const { socket, accepted } = await rawClient(listener.port, { ...options, session });
    assert.equal(accepted, true);
    assert.equal(socket.isSessionReused(), false);
    const judged = listener.accepted[before];
    assert.equal(judged?.socket.isSessionReused(), false);
    socket.destroy();
  }
}

test("control: a plain Node server does resume, so that these tests can fail", async () => {
  const { certificateChainPem: cert, privateKeyPem: key } = serverIdentity;
  const server = createServer({ cert, key, ca: [root.pem], requestCert: true, rejectUnauthorized: false });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    socket.write("!");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  try {
    const sessions = await sessionsOf(address.port, { ...withCertificate });
    const { socket } = await rawClient(address.port, { ...withCertificate, session: sessions.at(-1) });
    assert.equal(socket.isSessionReused(), true);
    socket.destroy();
  } finally {
    server.close();
  }
});

test("a client without a certificate does not come back by resumption", async () => {
  await using listener = await startListener();
  await expectNoResumption(listener, await sessionsOf(listener.port, {}), {});
  assert.ok(listener.accepted.every(({ verdict }) => verdict.chain.length === 0));
});

test("a client with a certificate is judged again, by its whole chain, when it offers a session", async () => {
  await using listener = await startListener();
  await expectNoResumption(listener, await sessionsOf(listener.port, withCertificate), withCertificate);
  assert.ok(listener.accepted.length > 1);
  for (const { verdict } of listener.accepted)
    assert.deepEqual(serials(verdict.chain), serialsOf(clientLeaf, authority));
});

test("a session from before a rotation is worth nothing, and rotation leaves tickets off", async () => {
  await using listener = await startListener();
  const before = await sessionsOf(listener.port, withCertificate);
  const next = createLeaf(authority, { spiffeId: "spiffe://example.test/mesh-ca/server" });
  listener.identity.set(identityOf(next, authority));
  await expectNoResumption(listener, before, withCertificate);
  await expectNoResumption(listener, await sessionsOf(listener.port, withCertificate), withCertificate);
});

test("trust that was withdrawn meanwhile counts at once for a client that offers a session", async () => {
  let trusted = true;
  await using listener = await startListener({
    judge(chain, { remoteAddress }) {
      const trust = trusted ? {} : { distrustedSpkis: new Set([authority.certificate.publicKey.spkiSha256]) };
      const anchors = [root.certificate];
      new X509SvidVerifier(trustOf({ anchors, authorities: [authority.certificate], ...trust })).verify(
        chain,
        Date.now(),
      );
      return { chain, remoteAddress };
    },
  });
  const sessions = await sessionsOf(listener.port, withCertificate);
  trusted = false;
  for (const session of sessions) {
    assert.equal((await rawClient(listener.port, { ...withCertificate, session })).accepted, false);
  }
  assert.equal(listener.listener.counts().refused.get("MCA_SVID_UNTRUSTED"), sessions.length);
});

test("a certificate that expired meanwhile does not come back by resumption", async () => {
  const verifier = new X509SvidVerifier(trustOf({ anchors: [root.certificate], authorities: [authority.certificate] }));
  let time = Date.now();
  await using listener = await startListener({
    judge(chain, { remoteAddress }) {
      verifier.verify(chain, time);
      return { chain, remoteAddress };
    },
  });
  const sessions = await sessionsOf(listener.port, withCertificate);
  time = clientLeaf.certificate.notAfter + 1;
  for (const session of sessions) {
    assert.equal((await rawClient(listener.port, { ...withCertificate, session })).accepted, false);
  }
  assert.equal(listener.listener.counts().refused.get("MCA_SVID_EXPIRED"), sessions.length);
});

test("a session from one server name is not accepted under another", async () => {
  await using listener = await startListener();
  const sessions = await sessionsOf(listener.port, { ...withCertificate, servername: "a.example.test" });
  await expectNoResumption(listener, sessions, { ...withCertificate, servername: "b.example.test" });
});

test("where TLS 1.2 is allowed, neither a ticket nor a session ID resumes, and there is no renegotiation", async () => {
  await using listener = await startListener({ minVersion: "TLSv1.2" });
  const tls12: ConnectionOptions = { ...withCertificate, maxVersion: "TLSv1.2" };
  await expectNoResumption(listener, await sessionsOf(listener.port, tls12), tls12);
  const { socket } = await rawClient(listener.port, tls12);
  assert.equal(socket.getProtocol(), "TLSv1.2");
  const error = await new Promise<Error | null>((resolve) => {
    socket.renegotiate({ rejectUnauthorized: false }, resolve);
    socket.once("error", resolve);
    socket.once("close", () => resolve(new Error("closed")));
  });
  assert.ok(error instanceof Error);
  socket.destroy();
});

test("a socket that says it was resumed is destroyed unseen, on both sides", async (t) => {
  await using listener = await startListener();
  const prototype: TLSSocket = Object.getPrototypeOf((await rawClient(listener.port)).socket);
  const judged = listener.accepted.length;
  t.mock.method(prototype, "isSessionReused", () => true);
  assert.equal((await rawClient(listener.port)).accepted, false);
  assert.equal(listener.accepted.length, judged);
  assert.equal(listener.listener.counts().refused.get("MCA_TLS_SESSION_RESUMED"), 1);
  let verified = 0;
  await assert.rejects(
    connectTls({ host: "127.0.0.1", port: listener.port, alpn: ["h2"], verify: () => void verified++ }),
    (error: unknown) => error instanceof TlsError && error.code === "MCA_TLS_SESSION_RESUMED",
  );
  assert.equal(verified, 0);
});

test("our client offers no session to a server that would resume, and verifies every time", async () => {
  const { certificateChainPem: cert, privateKeyPem: key } = serverIdentity;
  const server = createServer({ cert, key });
  const reused: boolean[] = [];
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    reused.push(socket.isSessionReused());
    socket.write("!");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  let verified = 0;
  try {
    for (let i = 0; i < 3; i++) {
      const socket = await connectTls({
        host: "127.0.0.1",
        port: address.port,
        alpn: [],
        verify: () => void verified++,
      });
      await new Promise((resolve) => socket.once("data", resolve));
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.destroy();
      await closeOf(socket);
    }
  } finally {
    server.close();
  }
  await until(() => reused.length === 3, "three connections");
  assert.deepEqual(reused, [false, false, false]);
  assert.equal(verified, 3);
});

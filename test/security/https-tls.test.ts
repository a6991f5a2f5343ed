// TLS of the HTTPS listener: open to foreign web clients, and not an inch more. F-1: Mozilla's intermediate configuration; F-4: nobody is
// asked for a certificate; invariant 6: nothing is resumed.
import assert from "node:assert/strict";
import { constants } from "node:crypto";
import { connect as tcpConnect } from "node:net";
import { test } from "node:test";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { webServerTlsOptions } from "../../src/tls/index.ts";
import { createWebLeaf, rawTls, startWeb, webLeaf } from "../identity-api/http/https-support.ts";
import { freshKey } from "../support/pki.ts";
import { clientIdentity, identityOf, startListener, until } from "../tls/support/endpoints.ts";

const nextLeaf = createWebLeaf();
const rsaLeaf = createWebLeaf({ key: freshKey("rsa-2048") });
/** What a client must do to offer at all what OpenSSL itself no longer likes. */
const anything = "ALL:@SECLEVEL=0";

async function codeOf(port: number, options: ConnectionOptions): Promise<string> {
  try {
    const socket = await rawTls(port, { ...options });
    const agreed = `${socket.getProtocol()} ${socket.getCipher().name}`;
    socket.destroy();
    return agreed;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

test("the options are complete, and ask nobody for a certificate", () => {
  const options = webServerTlsOptions(identityOf(webLeaf), { alpn: ["http/1.1"] });
  assert.equal(options.minVersion, "TLSv1.2");
  assert.equal(options.maxVersion, "TLSv1.3");
  assert.equal(options.requestCert, false);
  assert.equal(options.honorCipherOrder, false);
  assert.equal(options.secureOptions, constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION);
  assert.equal(options.ecdhCurve, "X25519MLKEM768:X25519:P-256:P-384");
  for (const forbidden of ["session", "ticketKeys", "SNICallback", "dhparam", "sessionTimeout", "pskCallback"]) {
    assert.equal(forbidden in options, false, forbidden);
  }
});

test("TLS 1.0 and 1.1 are refused, 1.2 and 1.3 taken, before and after a rotation", async () => {
  await using web = await startWeb();
  for (const leaf of [webLeaf, nextLeaf]) {
    web.identity.set(identityOf(leaf));
    for (const version of ["TLSv1", "TLSv1.1"] as const) {
      const old = await codeOf(web.port, { minVersion: version, maxVersion: version, ciphers: anything });
      assert.equal(old, "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION", version);
    }
    assert.match(await codeOf(web.port, { maxVersion: "TLSv1.2" }), /^TLSv1\.2 ECDHE-ECDSA-/);
    assert.match(await codeOf(web.port, {}), /^TLSv1\.3 TLS_/);
  }
});

test("of TLS 1.2 only forward secrecy with authenticated encryption is taken, and the client chooses", async () => {
  await using web = await startWeb();
  await using rsa = await startWeb({ ownIdentity: web.identity });
  const tls12 = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
  const good = ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"];
  const bad = ["AES128-SHA", "AES256-GCM-SHA384", "DHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-SHA384"];
  bad.push("ECDHE-RSA-AES128-SHA256", "ECDHE-ECDSA-AES128-CCM", "ADH-AES256-GCM-SHA384", "NULL-SHA256");
  for (const leaf of [webLeaf, rsaLeaf]) {
    web.identity.set(identityOf(leaf));
    const kind = leaf === rsaLeaf ? "ECDHE-RSA" : "ECDHE-ECDSA";
    for (const [at, cipher] of good.entries()) {
      const others = good.filter((_, index) => index !== at).map((each) => `${kind}-${each}`);
      const ciphers = [`${kind}-${cipher}`, ...others].join(":");
      assert.equal(await codeOf(rsa.port, { ...tls12, ciphers }), `TLSv1.2 ${kind}-${cipher}`);
    }
    for (const cipher of bad) {
      const answer = await codeOf(rsa.port, { ...tls12, ciphers: `${cipher}:@SECLEVEL=0` });
      assert.match(answer, /^ERR_SSL_(SSL\/TLS_ALERT|SSLV3_ALERT)_HANDSHAKE_FAILURE$|^ERR_SSL_NO_CIPHERS/, cipher);
    }
  }
});

test("F-4: nobody is asked for a certificate: one that a client has does not reach the server", async () => {
  await using web = await startListener({ peers: "web", alpn: [], missingAlpn: "accept" });
  const { certificateChainPem: cert, privateKeyPem: key } = clientIdentity;
  const greeted = async (options: ConnectionOptions): Promise<void> => {
    const socket = await rawTls(web.port, { ca: [], rejectUnauthorized: false, cert, key, ...options });
    await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
  };
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) await greeted({ maxVersion });
  web.identity.set(identityOf(nextLeaf));
  await greeted({});
  assert.deepEqual(
    web.accepted.map(({ verdict }) => verdict.chain.length),
    [0, 0, 0],
  );
});

test("nothing is resumed: a session that is brought along is not taken", async () => {
  await using web = await startWeb();
  for (const leaf of [webLeaf, nextLeaf]) {
    web.identity.set(identityOf(leaf));
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      const sessions: Buffer[] = [];
      const first = await exchange(await rawTls(web.port, { maxVersion }), (session) => sessions.push(session));
      if (maxVersion === "TLSv1.2") assert.equal(first.getTLSTicket() ?? undefined, undefined);
      // OpenSSL hands out names of sessions in TLS 1.3 even so; what counts is that nothing is kept under them.
      const session = sessions[0] ?? first.getSession();
      assert.notEqual(session, undefined);
      const second = await rawTls(web.port, { maxVersion, ...(session === undefined ? {} : { session }) });
      assert.equal(second.isSessionReused(), false, maxVersion);
      await exchange(second);
    }
  }
});

async function exchange(socket: TLSSocket, onSession: (session: Buffer) => void = () => {}): Promise<TLSSocket> {
  socket.on("session", onSession);
  socket.write("GET /v1/bundle HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
  await new Promise<void>((resolve) => socket.resume().once("close", () => resolve()));
  return socket;
}

test("a client cannot renegotiate", async () => {
  await using web = await startWeb();
  const socket = await rawTls(web.port, { maxVersion: "TLSv1.2" });
  const refused = new Promise<boolean>((resolve) => {
    socket.once("error", () => resolve(true));
    socket.once("close", () => resolve(true));
    socket.renegotiate({}, (error) => resolve(error !== null));
  });
  assert.equal(await refused, true);
  socket.destroy();
});

test("who speaks h2 alone, or no TLS at all, is refused, and others are served", async () => {
  await using web = await startWeb();
  assert.match(await codeOf(web.port, { ALPNProtocols: ["h2"] }), /NO_APPLICATION_PROTOCOL/);
  assert.match(await codeOf(web.port, { ALPNProtocols: ["h2", "http/1.1"] }), /^TLSv1\.3/);
  assert.match(await codeOf(web.port, {}), /^TLSv1\.3/);
  const plain = tcpConnect(web.port, "127.0.0.1");
  plain.on("error", () => {});
  plain.resume().write("GET /v1/bundle HTTP/1.1\r\nhost: x\r\n\r\n");
  await until(() => plain.closed, "plain HTTP is closed");
  assert.match(await web.metrics(), /mesh_ca_https_refused\{code="MCA_TLS_HANDSHAKE_FAILED"\} [1-9]/);
});

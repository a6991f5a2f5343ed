// The other traps of TLS in Node: old versions, rotation that forgets options, missing ALPN, a refusal that comes after the
// client's handshake, errors without a handler.
import assert from "node:assert/strict";
import { constants } from "node:crypto";
import { connect as tcpConnect } from "node:net";
import { test } from "node:test";
import { type ConnectionOptions, connect } from "node:tls";
import { clientTlsOptions, connectTls, serverTlsOptions } from "../../src/tls/index.ts";
import { createLeaf } from "../support/pki.ts";
import {
  authority,
  ChangingIdentity,
  clientIdentity,
  closeOf,
  identityOf,
  rawClient,
  serials,
  serialsOf,
  serverIdentity,
  silentConnection,
  startListener,
  type TestListener,
  until,
} from "../tls/support/endpoints.ts";

const nextLeaf = createLeaf(authority, { spiffeId: "spiffe://example.test/mesh-ca/server" });
const nextServer = identityOf(nextLeaf, authority);

async function errorOf(port: number, options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"], ...options });
  const code = await new Promise<string>((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("data", () => resolve("accepted"));
    socket.on("close", () => resolve("closed"));
  });
  socket.destroy();
  return code;
}

test("every maker of options gives the complete set each time", () => {
  const noResumption = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;
  for (const options of [
    serverTlsOptions(serverIdentity, { alpn: ["h2"] }),
    clientTlsOptions(undefined, { alpn: ["h2"] }),
  ]) {
    assert.equal(options.minVersion, "TLSv1.3");
    assert.equal(options.secureOptions, noResumption);
    assert.deepEqual(options.ca, []);
    assert.equal(options.rejectUnauthorized, false);
    assert.match(options.ecdhCurve ?? "", /^X25519MLKEM768:/);
    assert.deepEqual(options.ALPNProtocols, ["h2"]);
    for (const forbidden of [
      "session",
      "ticketKeys",
      "SNICallback",
      "ALPNCallback",
      "checkServerIdentity",
      "sessionTimeout",
      "pskCallback",
    ]) {
      assert.equal(forbidden in options, false, forbidden);
    }
  }
  assert.equal(serverTlsOptions(serverIdentity, { alpn: [] }).requestCert, true);
  assert.equal("ALPNProtocols" in serverTlsOptions(serverIdentity, { alpn: [] }), false);
});

test("TLS 1.2 is refused, before and after a rotation", async () => {
  await using listener = await startListener();
  const tls12: ConnectionOptions = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" };
  assert.equal(await errorOf(listener.port, tls12), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  listener.identity.set(nextServer);
  assert.equal(await errorOf(listener.port, tls12), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  assert.equal(await errorOf(listener.port, {}), "accepted");
});

test("where TLS 1.2 is allowed it is with forward secrecy and authenticated encryption only", async () => {
  await using listener = await startListener({ minVersion: "TLSv1.2" });
  const { socket } = await rawClient(listener.port, { maxVersion: "TLSv1.2" });
  assert.match(socket.getCipher().name, /^ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)/);
  socket.destroy();
  for (const ciphers of ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"]) {
    const refusal = await errorOf(listener.port, { maxVersion: "TLSv1.2", ciphers: `${ciphers}:@SECLEVEL=0` });
    assert.match(refusal, /HANDSHAKE_FAILURE/);
  }
  assert.match(
    await errorOf(listener.port, { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" }),
    /PROTOCOL_VERSION/,
  );
});

test("the key exchange is post-quantum with our client, and X25519 with one that cannot", async () => {
  await using listener = await startListener();
  const socket = await connectTls({ host: "127.0.0.1", port: listener.port, alpn: ["h2"], verify() {} });
  // The type of Node has no name for TLS groups.
  assert.equal(Reflect.get(socket.getEphemeralKeyInfo() ?? {}, "name"), "X25519MLKEM768");
  socket.destroy();
  assert.equal(await errorOf(listener.port, { ecdhCurve: "X25519" }), "accepted");
  assert.match(await errorOf(listener.port, { ecdhCurve: "P-521" }), /HANDSHAKE_FAILURE/);
});

test("rotation shows the new certificate to new connections and leaves the open ones alone", async () => {
  await using listener = await startListener();
  const shown = async (): Promise<string[]> => {
    let seen: string[] = [];
    const socket = await connectTls({
      host: "127.0.0.1",
      port: listener.port,
      alpn: ["h2"],
      verify(chain) {
        seen = serials(chain);
      },
    });
    socket.destroy();
    return seen;
  };
  const open = await rawClient(listener.port);
  const before = await shown();
  listener.identity.set(nextServer);
  assert.notDeepEqual(await shown(), before);
  const kept = listener.accepted[0];
  kept?.socket.write("?");
  assert.equal(String(await new Promise((resolve) => open.socket.once("data", resolve))), "?");
  open.socket.destroy();
});

test("a new certificate that cannot be used leaves the last good one in place and is an error in the log", async () => {
  await using listener = await startListener();
  for (const bad of [
    { ...nextServer, privateKeyPem: serverIdentity.privateKeyPem },
    { ...nextServer, certificateChainPem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
    { ...nextServer, privateKeyPem: "" },
  ]) {
    listener.identity.set(bad);
    assert.equal(await errorOf(listener.port, {}), "accepted");
  }
  assert.deepEqual(
    listener.log.lines.map(({ level }) => level),
    ["error", "error", "error"],
  );
  assert.equal(JSON.stringify(listener.log.lines).includes("PRIVATE KEY"), false);
  listener.identity.set(nextServer);
  let seen: string[] = [];
  const socket = await connectTls({
    host: "127.0.0.1",
    port: listener.port,
    alpn: ["h2"],
    verify(chain) {
      seen = serials(chain);
    },
  });
  socket.destroy();
  assert.deepEqual(seen, serialsOf(nextLeaf, authority));
});

test("without a valid certificate to show there is no listener, and one that loses it closes new connections", async () => {
  await using listener = await startListener();
  listener.identity.set(undefined);
  assert.notEqual(await errorOf(listener.port, {}), "accepted");
  assert.deepEqual(listener.log.codes(), ["MCA_TLS_IDENTITY_MISSING"]);
  listener.identity.set(serverIdentity);
  assert.equal(await errorOf(listener.port, {}), "accepted");
  listener.clock.offsetMs = serverIdentity.notAfter - Date.now() + 1;
  assert.notEqual(await errorOf(listener.port, {}), "accepted");
  await assert.rejects(startListener({ identity: new ChangingIdentity(undefined) }), {
    code: "MCA_TLS_IDENTITY_MISSING",
  });
  await assert.rejects(
    startListener({ identity: new ChangingIdentity({ ...serverIdentity, notAfter: Date.now() - 1 }) }),
    {
      code: "MCA_TLS_IDENTITY_MISSING",
    },
  );
  const foreignKey = { ...serverIdentity, privateKeyPem: nextServer.privateKeyPem };
  await assert.rejects(startListener({ identity: new ChangingIdentity(foreignKey) }), {
    code: "MCA_TLS_IDENTITY_INVALID",
  });
});

async function alpnOf(
  listener: TestListener,
  offered: readonly string[] | undefined,
): Promise<string | false | null | undefined> {
  const { socket, accepted } = await rawClient(listener.port, {
    ALPNProtocols: offered === undefined ? undefined : [...offered],
  });
  socket.destroy();
  return accepted ? listener.accepted.at(-1)?.socket.alpnProtocol : undefined;
}

test("a peer without ALPN is taken as h2, taken as it is, or refused, as the listener says", async () => {
  for (const [missingAlpn, expected] of [
    ["h2", "h2"],
    ["accept", false],
    ["refuse", undefined],
  ] as const) {
    await using listener = await startListener({ missingAlpn });
    assert.equal(await alpnOf(listener, undefined), expected);
    assert.equal(await alpnOf(listener, ["h2"]), "h2");
    assert.equal(await alpnOf(listener, ["http/1.1", "h2"]), "h2");
    assert.equal(await alpnOf(listener, ["http/1.1"]), undefined);
  }
  await using none = await startListener({ alpn: [], missingAlpn: "refuse" });
  assert.equal(await alpnOf(none, undefined), false);
});

test("our client refuses a server that speaks none of its protocols, and asks for none when it has none", async () => {
  await using listener = await startListener({ alpn: [], missingAlpn: "accept" });
  const at = { host: "127.0.0.1", port: listener.port, verify() {} };
  await assert.rejects(connectTls({ ...at, alpn: ["h2"] }), { code: "MCA_TLS_ALPN_REFUSED" });
  (await connectTls({ ...at, alpn: [] })).destroy();
});

test("in TLS 1.3 a refused client has already connected: the refusal is the end of its first read", async () => {
  await using listener = await startListener({
    judge() {
      throw new Error("refused");
    },
  });
  const socket = await connectTls({
    host: "127.0.0.1",
    port: listener.port,
    identity: clientIdentity,
    alpn: ["h2"],
    verify() {},
  });
  let received = 0;
  socket.on("data", (bytes: Buffer) => {
    received += bytes.length;
  });
  await closeOf(socket);
  assert.equal(received, 0);
  // A fault of ours, not of the peer: logged as such, with the error.
  assert.deepEqual(
    listener.log.lines.map(({ level, fields }) => [level, fields["code"]]),
    [["error", "internal"]],
  );
});

test("resets, garbage and plain HTTP at any moment end only their own connection", async () => {
  await using listener = await startListener();
  for (const bytes of [
    "GET / HTTP/1.1\r\n\r\n",
    "\u0016\u0003\u0001\u0000\u0005hello",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\u0000".repeat(70_000),
  ]) {
    const socket = await silentConnection(listener.port);
    socket.write(bytes, "latin1");
    await closeOf(socket);
  }
  for (const delayMs of [0, 0, 1, 2, 3, 5, 20]) {
    const raw = tcpConnect({ host: "127.0.0.1", port: listener.port });
    raw.on("error", () => {});
    const client = connect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    client.on("error", () => {});
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    raw.resetAndDestroy();
  }
  assert.equal(await errorOf(listener.port, {}), "accepted");
  await until(() => listener.listener.counts().handshakes === 0, "no handshake is left");
});

test("an error on a judged socket that nobody else listens to ends it and not the process", async () => {
  await using listener = await startListener();
  const { socket } = await rawClient(listener.port);
  listener.accepted[0]?.socket.destroy(new Error("later"));
  await closeOf(socket);
  assert.equal(await errorOf(listener.port, {}), "accepted");
});

test("a connection handler that throws ends its connection and is an error in the log", async () => {
  await using listener = await startListener({
    onConnection() {
      throw new Error("handler");
    },
  });
  assert.equal((await rawClient(listener.port)).accepted, false);
  await until(() => listener.listener.counts().connections === 0, "the connection is gone");
  assert.deepEqual(
    listener.log.lines.map(({ level, fields }) => [level, fields.event]),
    [["error", "tls.fault"]],
  );
});

test("refused connections are counted all and logged at a bounded rate", async () => {
  await using listener = await startListener({ handshakeTimeoutMs: 60_000 });
  for (let i = 0; i < 200; i++) {
    const socket = await silentConnection(listener.port);
    socket.write("nonsense, and more of it\r\n\r\n");
    await closeOf(socket);
  }
  assert.equal(listener.listener.counts().refused.get("MCA_TLS_HANDSHAKE_FAILED"), 200);
  assert.ok(listener.log.lines.length < 100);
  const leftOut = listener.log.lines.reduce((sum, { fields }) => sum + Number(fields["leftOut"]), 0);
  listener.clock.offsetMs += 60_000;
  const last = await silentConnection(listener.port);
  last.write("nonsense, and more of it\r\n\r\n");
  await closeOf(last);
  assert.equal(leftOut + listener.log.lines.length - 1 + Number(listener.log.lines.at(-1)?.fields["leftOut"]), 200);
});

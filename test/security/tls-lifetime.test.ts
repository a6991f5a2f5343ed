// Bug class: a connection outlives the reason for which it was accepted. Ours end when the certificate expires and when trust is
// withdrawn, and a listener that closes leaves nothing behind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTlsListener } from "../../src/tls/index.ts";
import {
  ChangingIdentity,
  clientIdentity,
  clientLeaf,
  closeOf,
  LogLines,
  MovableClock,
  rawClient,
  serverIdentity,
  silentConnection,
  startListener,
  until,
} from "../tls/support/endpoints.ts";

const certificate = { cert: clientIdentity.certificateChainPem, key: clientIdentity.privateKeyPem };

test("a connection is closed when its certificate expires, and others stay", async () => {
  await using listener = await startListener({ expiresAt: ({ chain }) => chain[0]?.notAfter });
  const known = await rawClient(listener.port, certificate);
  const anonymous = await rawClient(listener.port);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.equal(known.socket.destroyed, false);
  listener.clock.offsetMs = clientLeaf.certificate.notAfter - Date.now();
  await closeOf(known.socket);
  assert.deepEqual(listener.log.codes(), ["MCA_TLS_PEER_EXPIRED"]);
  assert.equal(anonymous.socket.destroyed, false);
  await until(() => listener.listener.counts().connections === 1, "one is left");
  anonymous.socket.destroy();
});

test("open connections can be judged again, and closed one by one", async () => {
  await using listener = await startListener();
  const [known, anonymous] = [await rawClient(listener.port, certificate), await rawClient(listener.port)];
  for (const { socket, verdict, remoteAddress } of listener.listener.connections()) {
    assert.equal(remoteAddress, "127.0.0.1");
    if (verdict.chain.length > 0) socket.destroy();
  }
  await closeOf(known.socket);
  await until(() => [...listener.listener.connections()].length === 1, "one is left");
  assert.equal(anonymous.socket.destroyed, false);
  anonymous.socket.destroy();
});

test("closing refuses newcomers at once, ends handshakes, waits for open connections, and then ends them", async () => {
  const listener = await startListener();
  const open = await rawClient(listener.port);
  const silent = await silentConnection(listener.port);
  await until(() => listener.listener.counts().handshakes === 1, "the silent one has arrived");
  const start = performance.now();
  const closed = listener.listener.close(900);
  await closeOf(silent);
  await assert.rejects(
    new Promise((resolve, reject) => {
      rawClient(listener.port).then(({ accepted }) => (accepted ? resolve(undefined) : reject(new Error("refused"))));
    }),
  );
  assert.equal(open.socket.destroyed, false);
  await closed;
  assert.ok(performance.now() - start >= 890);
  await closeOf(open.socket);
  assert.deepEqual(listener.listener.counts().connections, 0);
  assert.equal(listener.identity.listeners, 0);
  assert.deepEqual(listener.log.lines, []);
});

test("closing does not wait for the grace when the open connections end by themselves", async () => {
  const listener = await startListener();
  const open = await rawClient(listener.port);
  const closed = listener.listener.close(60_000);
  open.socket.end();
  await closed;
});

test("a port that is taken is an error that says so", async () => {
  await using listener = await startListener();
  const second = createTlsListener({
    identity: new ChangingIdentity(serverIdentity),
    alpn: [],
    missingAlpn: "accept",
    judge: () => undefined,
    onConnection() {},
    maxConnections: 1,
    maxHandshakes: 1,
    clock: new MovableClock(),
    logger: new LogLines(),
  });
  await assert.rejects(
    second.listen({ host: "127.0.0.1", port: listener.port }),
    (error: { code: string; message: string }) => {
      assert.equal(error.code, "MCA_TLS_LISTEN_FAILED");
      assert.match(error.message, new RegExp(`port ${listener.port}`));
      return true;
    },
  );
  await second.close(0);
});

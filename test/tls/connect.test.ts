// Client connections: every way to fail has its code and leaves no socket behind.
import assert from "node:assert/strict";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { type ConnectTlsOptions, connectTls, TlsError, type TlsErrorCode } from "../../src/tls/index.ts";
import {
  clientIdentity,
  closeOf,
  serverIdentity,
  silentConnection,
  startListener,
  until,
} from "./support/endpoints.ts";

function attempt(port: number, options: Partial<ConnectTlsOptions> = {}) {
  return connectTls({ host: "127.0.0.1", port, identity: clientIdentity, alpn: ["h2"], verify() {}, ...options });
}

async function failsWith(promise: Promise<unknown>, code: TlsErrorCode, text: RegExp): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof TlsError);
    assert.equal(error.code, code);
    assert.match(error.message, text);
    return true;
  });
}

/** A TCP server that does what it is told with each connection. */
async function startTcp(handle: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return { port: address.port, sockets, [Symbol.dispose]: () => void server.close() };
}

test("nobody listening, an unknown host, and a host without any open address are connection failures with the place", async () => {
  const { port, ...closing } = await startTcp(() => {});
  closing[Symbol.dispose]();
  await failsWith(attempt(port), "MCA_TLS_CONNECT_FAILED", new RegExp(`127\\.0\\.0\\.1 port ${port}.*ECONNREFUSED`));
  await failsWith(attempt(port, { host: "localhost" }), "MCA_TLS_CONNECT_FAILED", /localhost port \d+.*ECONNREFUSED/);
  await failsWith(attempt(port, { host: "nowhere.invalid" }), "MCA_TLS_CONNECT_FAILED", /nowhere\.invalid/);
});

test("a peer that speaks something else, or hangs up, is a handshake failure", async () => {
  using garbage = await startTcp((socket) => socket.resume().write("SSH-2.0-nothing of TLS here, and more of it\r\n"));
  await failsWith(attempt(garbage.port), "MCA_TLS_HANDSHAKE_FAILED", /port \d+/);
  using closing = await startTcp((socket) => socket.resume().end());
  await failsWith(attempt(closing.port), "MCA_TLS_HANDSHAKE_FAILED", /disconnected|closed/);
});

test("a connection below that closes before the handshake is over is a handshake failure at once, by whichever end", async () => {
  for (const how of ["destroyed here", "ended there", "reset there"] as const) {
    using mute = await startTcp((socket) => socket.resume());
    const through = connectTcp({ port: mute.port, host: "127.0.0.1", allowHalfOpen: true });
    through.on("error", () => {});
    await new Promise((resolve) => through.once("connect", resolve));
    const pending = failsWith(
      attempt(mute.port, { through }),
      how === "reset there" ? "MCA_TLS_CONNECT_FAILED" : "MCA_TLS_HANDSHAKE_FAILED",
      /closed|disconnected|reset|RESET/,
    );
    await until(() => [...mute.sockets].some(({ bytesRead }) => bytesRead > 0), "our first flight");
    if (how === "destroyed here") through.destroy();
    for (const socket of mute.sockets) {
      if (how === "ended there") socket.end();
      else if (how === "reset there") socket.resetAndDestroy();
    }
    await pending;
    await until(() => through.destroyed, "the connection below is closed");
  }
});

test("a peer that says nothing is a timeout, and its socket is closed", async () => {
  using mute = await startTcp((socket) => socket.resume());
  await failsWith(attempt(mute.port, { timeoutMs: 50 }), "MCA_TLS_TIMEOUT", /within 50 ms/);
  await until(() => mute.sockets.size === 0, "the connection is closed");
});

test("an aborted signal ends the attempt with its reason, before and during it", async () => {
  using mute = await startTcp((socket) => socket.resume());
  const reason = new Error("enough");
  await assert.rejects(attempt(mute.port, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const pending = attempt(mute.port, { signal: controller.signal });
  await until(() => mute.sockets.size === 1, "connected");
  controller.abort(reason);
  await assert.rejects(pending, reason);
  await until(() => mute.sockets.size === 0, "the connection is closed");
  await using listener = await startListener();
  const later = new AbortController();
  const socket = await attempt(listener.port, { signal: later.signal });
  later.abort(reason);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(socket.destroyed, false, "a connection that was handed over is the owner's");
  socket.destroy();
});

test("a verdict that throws is the rejection itself, and the socket is closed", async () => {
  await using listener = await startListener();
  const refusal = new Error("not this one");
  const refuse = (): void => {
    throw refusal;
  };
  await assert.rejects(attempt(listener.port, { verify: refuse }), refusal);
  await until(() => listener.listener.counts().connections === 0, "the connection is closed");
});

test("an identity that cannot be used is refused before anything is sent", async () => {
  await using listener = await startListener();
  for (const identity of [
    { ...clientIdentity, privateKeyPem: serverIdentity.privateKeyPem },
    { ...clientIdentity, privateKeyPem: "" },
    { ...clientIdentity, certificateChainPem: "nothing" },
  ]) {
    await failsWith(attempt(listener.port, { identity }), "MCA_TLS_IDENTITY_INVALID", /pair/);
  }
  assert.equal(listener.listener.counts().accepted, 0);
});

test("an error after the hand-over ends the socket and not the process", async () => {
  await using listener = await startListener();
  const socket = await attempt(listener.port);
  socket.destroy(new Error("later"));
  await closeOf(socket);
  (await silentConnection(listener.port)).destroy();
});

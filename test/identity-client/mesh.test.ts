// mTLS between two workloads: who is let in, and what rotation, expiry and changes of trust do to open connections.
import assert from "node:assert/strict";
import { once } from "node:events";
import * as https from "node:https";
import * as net from "node:net";
import { type TestContext, test } from "node:test";
import * as tls from "node:tls";
import { type MeshServer, SvidSource } from "../../src/identity-client/index.ts";
import { httpOverMesh } from "../../src/identity-client/mesh-server.ts";
import { clientTlsOptions, connectTls, serverTlsOptions } from "../../src/tls/index.ts";
import { type Certificate, fromHex } from "../../src/x509/index.ts";
import { createLeaf } from "../support/pki.ts";
import { FaultyServer } from "./faulty-server.ts";
import { createAuthority, eventually } from "./helpers.ts";

const authority = createAuthority();
const CART = "spiffe://example.test/cart";
const WEB = "spiffe://example.test/web";

interface Mesh {
  readonly api: FaultyServer;
  readonly cart: SvidSource;
  readonly web: SvidSource;
}

async function startMesh(t: TestContext, ttlMs = 3_600_000): Promise<Mesh> {
  const api = await FaultyServer.start({ authority, ttlMs });
  t.after(() => api.stop());
  const join = async (spiffeId: string): Promise<SvidSource> => {
    api.grant = spiffeId;
    const source = await SvidSource.start({ joinToken: { text: api.token() }, memoryOnly: true });
    t.after(() => source.close());
    api.grant = undefined;
    return source;
  };
  const cart = await join(CART);
  const web = await join(WEB);
  return { api, cart, web };
}

async function serve(t: TestContext, server: MeshServer): Promise<{ host: string; port: number }> {
  t.after(() => server.close(0));
  return server.listen({ host: "127.0.0.1", port: 0 });
}

function get(port: number, agent: https.Agent): Promise<{ status: number; body: string; reused: boolean }> {
  return new Promise((resolve, reject) => {
    const request = https.request({ host: "127.0.0.1", port, agent, path: "/" }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body, reused: request.reusedSocket }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end();
  });
}

test("Two workloads speak mTLS, and each knows the other by its SPIFFE ID", async (t) => {
  const { cart, web } = await startMesh(t);
  const server = cart.createTlsServer({ allow: WEB }, (socket, peer) => socket.end(`hello ${peer.id.toString()}`));
  const address = await serve(t, server);
  const socket = await web.connect({ ...address, expect: CART });
  let text = "";
  socket.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  await once(socket, "close");
  assert.equal(text, `hello ${WEB}`);
});

test("The server's ID is compared exactly by the client, before it says anything", async (t) => {
  const { cart, web } = await startMesh(t);
  let heard = 0;
  const server = cart.createTlsServer({ allow: WEB }, (socket) => {
    socket.on("data", () => {
      heard += 1;
    });
  });
  const address = await serve(t, server);
  await assert.rejects(web.connect({ ...address, expect: "spiffe://example.test/cart/x" }), {
    code: "MCA_PEER_ID_UNEXPECTED",
  });
  await assert.rejects(web.connect({ ...address, expect: () => false }), { code: "MCA_PEER_ID_UNEXPECTED" });
  assert.equal(heard, 0);
});

test("A client with another ID, with a certificate of its own making, or with none never reaches the handler", async (t) => {
  const { cart, web } = await startMesh(t);
  let served = 0;
  const server = cart.createTlsServer({ allow: "spiffe://example.test/billing" }, () => {
    served += 1;
  });
  const { port } = await serve(t, server);
  const socket = await web.connect({ host: "127.0.0.1", port, expect: CART });
  await once(socket, "close");
  const stranger = createLeaf(createAuthority("Stranger"), { spiffeId: "spiffe://example.test/billing" });
  const identity = { certificateChainPem: stranger.pem, privateKeyPem: stranger.keyPem, notAfter: Date.now() + 60_000 };
  for (const shown of [identity, undefined]) {
    const raw = tls.connect({ host: "127.0.0.1", port, ...clientTlsOptions(shown, { alpn: [] }) });
    raw.on("error", () => {});
    await once(raw, "close");
  }
  assert.equal(served, 0);
});

test("A rule is read when it is given: a mistyped or empty one throws at once", async (t) => {
  const { cart, web } = await startMesh(t);
  assert.throws(() => cart.createTlsServer({ allow: "spiffe://Example.test/web" }, () => {}), {
    code: "MCA_SPIFFE_ID_INVALID",
  });
  assert.throws(() => cart.createTlsServer({ allow: [] }, () => {}), { code: "MCA_CLIENT_OPTIONS" });
  await assert.rejects(web.connect({ host: "127.0.0.1", port: 1, expect: "cart" }), { code: "MCA_SPIFFE_ID_INVALID" });
});

test("After a rotation new connections show the new certificate, and open ones go on", async (t) => {
  const { cart, web } = await startMesh(t);
  const server = cart.createTlsServer({ allow: WEB }, (socket, peer) => {
    socket.on("data", () => socket.write(peer.serial));
  });
  const address = await serve(t, server);
  const shown: string[] = [];
  const look = async (): Promise<void> => {
    const verify = (chain: readonly Certificate[]): void => {
      shown.push(chain[0]?.serialHex ?? "none");
    };
    (await connectTls({ ...address, alpn: [], verify })).destroy();
  };
  const before = await web.connect({ ...address, expect: CART });
  const oldClientSerial = web.current().serial;
  await look();
  assert.deepEqual(shown, [cart.current().serial]);
  await Promise.all([cart.renew(), web.renew()]);
  await look();
  assert.equal(shown[1], cart.current().serial);
  const after = await web.connect({ ...address, expect: CART });
  const ask = async (socket: tls.TLSSocket): Promise<string> => {
    socket.write("?");
    const [bytes] = await once(socket, "data");
    return String(bytes);
  };
  assert.equal(await ask(after), web.current().serial);
  assert.equal(await ask(before), oldClientSerial);
});

test("An open connection ends when the peer's certificate expires, on both sides", async (t) => {
  const { cart, web } = await startMesh(t, 3_000);
  const server = cart.createTlsServer({ allow: WEB }, () => {});
  const address = await serve(t, server);
  const socket = await web.connect({ ...address, expect: CART });
  await once(socket, "close");
});

test("A client ends the connection when the server's certificate expires, also if the server does not", async (t) => {
  const { web } = await startMesh(t);
  const leaf = createLeaf(authority, { spiffeId: CART, notAfter: Date.now() + 2_500 });
  const identity = { certificateChainPem: leaf.pem, privateKeyPem: leaf.keyPem, notAfter: Date.now() + 60_000 };
  const lax = tls.createServer(serverTlsOptions(identity, { alpn: [] }), (socket) => socket.on("error", () => {}));
  t.after(() => lax.close());
  await once(lax.listen(0, "127.0.0.1"), "listening");
  const address = lax.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  const socket = await web.connect({ host: "127.0.0.1", port: address.port, expect: CART });
  await once(socket, "close");
  assert.ok(Date.now() >= leaf.certificate.notAfter);
});

test("An open connection ends when a change of trust no longer accepts the peer, on both sides", async (t) => {
  for (const revoked of ["cart", "web"] as const) {
    const mesh = await startMesh(t);
    const server = mesh.cart.createTlsServer({ allow: WEB }, () => {});
    const address = await serve(t, server);
    const socket = await mesh.web.connect({ ...address, expect: CART });
    await eventually("both watch", () => mesh.api.watchers === 2);
    const closed = once(socket, "close");
    mesh.api.sequence = 2n;
    const { serial } = mesh[revoked].current();
    mesh.api.alterTrust = (snapshot) => ({
      ...snapshot,
      revocations: [{ target: { $case: "serial", value: fromHex(serial) } }],
    });
    mesh.api.pushSnapshot();
    await closed;
  }
});

test("A change of trust that does not concern the peer leaves the connection open, on both sides", async (t) => {
  const { api, cart, web } = await startMesh(t);
  const server = cart.createTlsServer({ allow: WEB }, (socket) => socket.pipe(socket));
  const address = await serve(t, server);
  const socket = await web.connect({ ...address, expect: CART });
  await eventually("both watch", () => api.watchers === 2);
  api.sequence = 2n;
  api.alterTrust = (snapshot) => ({
    ...snapshot,
    revocations: [{ target: { $case: "serial", value: fromHex("01ff") } }],
  });
  api.pushSnapshot();
  await eventually("both know", () => web.trust().sequence === 2n && cart.trust().sequence === 2n);
  socket.write("still here");
  const [bytes] = await once(socket, "data");
  assert.equal(String(bytes), "still here");
});

test("HTTPS requests run over kept connections, and rotation costs none of them", async (t) => {
  const { cart, web } = await startMesh(t, 6_000);
  const server = cart.createHttpsServer({ allow: WEB }, (_request, response, peer) => response.end(peer.id.toString()));
  const { port } = await serve(t, server);
  const agent = web.httpsAgent({ expect: CART });
  const serials = new Set<string>();
  let requests = 0;
  let reused = 0;
  while (serials.size < 3) {
    serials.add(web.current().serial);
    const answers = await Promise.all([get(port, agent), get(port, agent), get(port, agent)]);
    for (const answer of answers) {
      assert.equal(answer.body, WEB);
      requests += 1;
      if (answer.reused) reused += 1;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  agent.destroy();
  assert.ok(reused > requests / 2, `${reused} of ${requests} requests on a kept connection`);
});

test("An HTTPS agent refuses a server with another ID", async (t) => {
  const { cart, web } = await startMesh(t);
  const server = cart.createHttpsServer({ allow: WEB }, (_request, response) => response.end("no"));
  const { port } = await serve(t, server);
  const agent = web.httpsAgent({ expect: WEB });
  await assert.rejects(get(port, agent), { code: "MCA_PEER_ID_UNEXPECTED" });
});

test("Closing a server lets the request under way finish", async (t) => {
  const { cart, web } = await startMesh(t);
  let underWay = false;
  const server = cart.createHttpsServer({ allow: WEB }, (_request, response) => {
    underWay = true;
    setTimeout(() => response.end("late"), 300);
  });
  const { port } = await serve(t, server);
  const agent = web.httpsAgent({ expect: CART });
  const answer = get(port, agent);
  await eventually("the request is under way", () => underWay);
  const closed = server.close(120_000).then(() => "closed");
  assert.equal((await answer).body, "late");
  assert.equal(
    await closed,
    "closed",
    "the kept connection was closed when it became idle, not at the end of the grace",
  );
  await assert.rejects(get(port, agent));
});

test("A client that never finishes its request is cut off", async (t) => {
  const { web } = await startMesh(t);
  const { onConnection, onClosing } = httpOverMesh(() => assert.fail("no request"), {
    headersTimeoutMs: 300,
    requestTimeoutMs: 600,
  });
  const plain = net.createServer((socket) => {
    // The peer does not matter here; httpOverMesh only hands it on.
    onConnection(socket as tls.TLSSocket, { id: web.current().id, notAfter: 0, serial: "01" });
  });
  t.after(() => {
    plain.close();
    onClosing()();
  });
  await once(plain.listen(0, "127.0.0.1"), "listening");
  const address = plain.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  const slow = net.connect(address.port, "127.0.0.1");
  slow.write("GET / HTTP/1.1\r\nHost: cart\r\nX-Slow: ");
  const [bytes] = await once(slow, "data");
  assert.match(String(bytes), /^HTTP\/1\.1 408 /);
  await once(slow, "close");
});

test("A closed source opens no more connections and ends those it opened", async (t) => {
  const { cart, web } = await startMesh(t);
  const server = cart.createTlsServer({ allow: WEB }, () => {});
  const address = await serve(t, server);
  const socket = await web.connect({ ...address, expect: CART });
  await web.close();
  await once(socket, "close");
  await assert.rejects(web.connect({ ...address, expect: CART }), { code: "MCA_CLIENT_CLOSED" });
});

test("An idle connection that was just destroyed is never given to a request", async (t) => {
  const { cart, web } = await startMesh(t);
  const server = cart.createHttpsServer({ allow: WEB }, (_request, response) => response.end("ok"));
  const { port } = await serve(t, server);
  const agent = web.httpsAgent({ expect: CART });
  for (let round = 0; round < 5; round++) {
    await Promise.all([get(port, agent), get(port, agent), get(port, agent)]);
    await eventually("three are idle", () => Object.values(agent.freeSockets).flat().length === 3);
    // As expiry and a change of trust do it: anywhere in the list.
    const idle = Object.values(agent.freeSockets).flat();
    idle[round % 3]?.destroy();
    assert.equal((await get(port, agent)).body, "ok");
  }
  agent.destroy();
});

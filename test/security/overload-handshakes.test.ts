// Bug class: whoever opens thousands of connections keeps others out or fills the memory. A whole server under half-open
// connections, handshakes that drip, and more TLS connections than it takes, with good clients beside.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from "node:tls";
import { until } from "../support/until.ts";
import { type AttackedServer, beside, destroyAll, openMany, startAttackedServer } from "./overload-support.ts";

/** Header of a TLS record that announces 512 bytes of ClientHello, then its first byte. */
const BEGIN_OF_HELLO = Uint8Array.of(0x16, 0x03, 0x01, 0x02, 0x00, 0x01);
/** What an idle server of src/ takes, and as much again for an attack. */
const CEILING_MB = 260;

let server: AttackedServer;
before(async () => {
  server = await startAttackedServer({ maxHandshakes: 256, maxConnections: 300, handshakeTimeoutSeconds: 2 });
});
after(() => server.close());

test("thousands of half-open connections: a good client is served, a new one gets in, the memory stays bounded", {
  timeout: 60_000,
}, async () => {
  const client = await server.client();
  const sockets: Awaited<ReturnType<typeof openMany>> = [];
  const fared = await beside(client, async () => {
    sockets.push(...(await openMany(server.port, 4_000)));
    assert.ok((await openTls(server.port, "127.0.0.2")).getProtocol() !== null, "from elsewhere at the first attempt");
    const newcomer = await retried(() => server.client());
    newcomer.close();
  });
  assert.ok(fared.served >= 3, JSON.stringify(fared));
  assert.equal(fared.failed, 0, JSON.stringify(fared));
  assert.ok(fared.slowestMs < 20_000, JSON.stringify(fared));
  assert.ok((await server.metric("mesh_ca_tls_handshakes")) <= 256);
  assert.ok(server.rssMb() < CEILING_MB, `${server.rssMb()} MB`);
  destroyAll(sockets);
  client.close();
});

test("handshakes that drip a byte at a time are cut off in time, and a new client gets in beside them", {
  timeout: 60_000,
}, async () => {
  const client = await server.client();
  const dripping = await openMany(server.port, 1_000, BEGIN_OF_HELLO);
  const drip = setInterval(() => {
    for (const socket of dripping) if (socket.writable) socket.write(Uint8Array.of(0));
  }, 200);
  try {
    const fared = await beside(client, async () => {
      assert.ok(
        (await openTls(server.port, "127.0.0.2")).getProtocol() !== null,
        "from elsewhere at the first attempt",
      );
      const newcomer = await retried(() => server.client());
      newcomer.close();
      // Dripping resets no clock: all are gone once the handshake's time is over.
      await until(() => dripping.every(({ closed }) => closed), "every one is cut off");
    });
    assert.equal(fared.failed, 0, JSON.stringify(fared));
    await until(async () => (await server.metric("mesh_ca_tls_handshakes")) === 0, "no handshake is left");
    assert.ok(server.rssMb() < CEILING_MB, `${server.rssMb()} MB`);
  } finally {
    clearInterval(drip);
    destroyAll(dripping);
    client.close();
  }
});

test("more TLS connections than the server takes: the number stays bounded, who is in is served, and room that is freed is used", {
  timeout: 60_000,
}, async () => {
  const client = await server.client();
  const sockets: TLSSocket[] = [];
  const fared = await beside(client, async () => {
    // From two addresses: the bound for all is meant, not that for one sender.
    for (let n = 0; n < 400; n++) sockets.push(await openTls(server.port, `127.0.0.${2 + (n % 2)}`));
  });
  assert.equal(fared.failed, 0, JSON.stringify(fared));
  assert.ok((await server.metric("mesh_ca_tls_connections")) <= 300);
  assert.ok((await server.metric("mesh_ca_tls_refused", '{code="MCA_TLS_OVERLOADED"}')) >= 100);
  assert.ok(server.rssMb() < CEILING_MB, `${server.rssMb()} MB`);
  destroyAll(sockets);
  const next = await retried(() => server.client());
  next.close();
  client.close();
});

/** Our clients try again; so does the newcomer of these tests, for ten seconds. */
async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (attempt === 50) throw error;
      await sleep(200);
    }
  }
}

/** Resolves to a connection that is open, or was refused (then it has no protocol). */
function openTls(port: number, localAddress = "127.0.0.1"): Promise<TLSSocket> {
  // node:tls hands localAddress on to node:net; its types do not say so.
  const options: ConnectionOptions & { readonly localAddress: string } = {
    host: "127.0.0.1",
    port,
    localAddress,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2"],
  };
  return new Promise((resolve) => {
    const socket = tlsConnect(options);
    socket.on("error", () => {});
    socket.resume();
    socket.once("secureConnect", () => resolve(socket));
    socket.once("close", () => resolve(socket));
  });
}

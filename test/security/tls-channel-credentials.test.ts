// gRPC channels under our TLS rules, which stand on the internal interface of grpc-js: these tests notice when a new version
// changes it. Every call here goes through a real listener with the peer judged on both sides.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import {
  ChannelCredentials,
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from "@grpc/grpc-js";
import { expectServer, SpiffeError, X509SvidVerifier } from "../../src/spiffe/index.ts";
import {
  type MeshChannelCredentialsOptions,
  meshChannelCredentials,
  meshChannelOptions,
} from "../../src/tls/channel-credentials.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { trustOf } from "../spiffe/support.ts";
import { createLeaf } from "../support/pki.ts";
import {
  authority,
  clientIdentity,
  clientLeaf,
  identityOf,
  root,
  serials,
  serialsOf,
  serverIdentity,
  sibling,
  silentConnection,
  startListener,
  type TestListener,
} from "../tls/support/endpoints.ts";

const bytes = (value: Buffer): Buffer => value;
const echo = {
  path: "/test.Echo/Echo",
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
} as const;
const service: ServiceDefinition = { echo };
const verifier = new X509SvidVerifier(trustOf({ anchors: [root.certificate], authorities: [authority.certificate] }));

interface EchoServer extends AsyncDisposable {
  readonly listener: TestListener;
  readonly port: number;
}

async function startEcho(identity: TlsIdentity = serverIdentity): Promise<EchoServer> {
  const server = new Server();
  server.addService(service, {
    echo: (call: { request: Buffer }, callback: (error: null, value: Buffer) => void) => callback(null, call.request),
  });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await startListener({ onConnection: (socket) => injector.injectConnection(socket) });
  listener.identity.set(identity);
  return {
    listener,
    port: listener.port,
    async [Symbol.asyncDispose]() {
      await listener.listener.close(0);
      server.forceShutdown();
    },
  };
}

interface Channel extends Disposable {
  call(): Promise<string>;
  readonly client: Client;
}

function openChannel(port: number, options: Partial<MeshChannelCredentialsOptions> = {}, host = "127.0.0.1"): Channel {
  const channel = meshChannelCredentials({
    identity: () => clientIdentity,
    verify: (chain) => expectServer(verifier.verify(chain, Date.now())),
    ...options,
  });
  const client = new Client(`${host}:${port}`, channel, {
    ...meshChannelOptions,
    "grpc.initial_reconnect_backoff_ms": 50,
  });
  return {
    client,
    call: () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          echo.path,
          bytes,
          bytes,
          Buffer.from("hello"),
          { deadline: Date.now() + 3_000 },
          (error, value) => {
            if (error !== null) reject(error);
            else resolve(String(value));
          },
        );
      }),
    [Symbol.dispose]: () => client.close(),
  };
}

test("grpc-js is the version whose internal interface this was written for", () => {
  const manifest = JSON.parse(
    readFileSync(createRequire(import.meta.url).resolve("@grpc/grpc-js/package.json"), "utf8"),
  );
  const ours = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  assert.equal(manifest.version, ours.dependencies["@grpc/grpc-js"], "pinned exactly");
  assert.equal(
    manifest.version,
    "1.14.7",
    "read src/tls/channel-credentials.ts against the new version, then change this line",
  );
});

test("the three internal methods of ChannelCredentials are still what grpc-js calls, and no others", () => {
  const ssl = credentials.createSsl();
  const internal = Object.getOwnPropertyNames(Object.getPrototypeOf(ssl)).filter((name) => name.startsWith("_"));
  assert.deepEqual(internal.sort(), ["_createSecureConnector", "_equals", "_isSecure"]);
  const connector = ssl._createSecureConnector({ scheme: "dns", path: "localhost:1" }, {});
  const own = Object.getOwnPropertyNames(Object.getPrototypeOf(connector)).filter((name) => name !== "constructor");
  assert.deepEqual(own.sort(), ["connect", "destroy", "getCallCredentials", "waitForReady"]);
  const mesh = meshChannelCredentials({ verify() {} });
  assert.ok(mesh instanceof ChannelCredentials);
  const meshConnector = mesh._createSecureConnector({ scheme: "dns", path: "localhost:1" }, {});
  assert.deepEqual(Object.keys(meshConnector).sort(), own.sort());
});

test("a call goes through, with both sides judged by the chain that was presented", async () => {
  await using server = await startEcho();
  let seen: string[] = [];
  using channel = openChannel(server.port, {
    verify(chain) {
      seen = serials(chain);
      expectServer(verifier.verify(chain, Date.now()));
    },
  });
  assert.equal(await channel.call(), "hello");
  assert.equal(seen.length, 2);
  const [connection] = server.listener.listener.connections();
  assert.deepEqual(serials(connection?.verdict.chain ?? []), serialsOf(clientLeaf, authority));
});

test("many calls share one connection; another channel has its own, and shows its own certificate", async () => {
  await using server = await startEcho();
  using first = openChannel(server.port);
  using second = openChannel(server.port, { identity: () => undefined });
  await Promise.all(Array.from({ length: 20 }, () => first.call()));
  assert.equal(await second.call(), "hello");
  const chains = [...server.listener.listener.connections()].map(({ verdict }) => verdict.chain.length);
  assert.deepEqual(chains.sort(), [0, 2]);
});

test("a server that is not trusted gets no call, and the reason reaches the owner of the channel", async () => {
  const impostor = createLeaf(sibling, { spiffeId: "spiffe://example.test/mesh-ca/server" });
  await using server = await startEcho(identityOf(impostor, sibling));
  const failures: unknown[] = [];
  using channel = openChannel(server.port, { onFailure: (error) => failures.push(error) });
  await assert.rejects(channel.call(), { code: status.UNAVAILABLE });
  assert.ok(failures.length > 0);
  assert.ok(failures.every((error) => error instanceof SpiffeError && error.code === "MCA_SVID_UNTRUSTED"));
});

test("a server with another ID than expected gets no call", async () => {
  const cart = createLeaf(authority, { spiffeId: "spiffe://example.test/cart" });
  await using server = await startEcho(identityOf(cart, authority));
  const failures: unknown[] = [];
  using channel = openChannel(server.port, { onFailure: (error) => failures.push(error) });
  await assert.rejects(channel.call(), { code: status.UNAVAILABLE });
  assert.ok(failures[0] instanceof SpiffeError && failures[0].code === "MCA_PEER_ID_UNEXPECTED");
});

test("a new connection of the same channel shows the certificate of that moment and verifies again", async () => {
  await using server = await startEcho();
  const next = createLeaf(authority, { spiffeId: "spiffe://example.test/cart" });
  let identity = clientIdentity;
  let verified = 0;
  using channel = openChannel(server.port, { identity: () => identity, verify: () => void verified++ });
  await channel.call();
  identity = identityOf(next, authority);
  for (const { socket } of server.listener.listener.connections()) socket.destroy();
  let answer = "";
  for (let attempt = 0; attempt < 20 && answer === ""; attempt++) {
    answer = await channel.call().catch(() => "");
  }
  assert.equal(answer, "hello");
  assert.equal(verified, 2);
  const [connection] = server.listener.listener.connections();
  assert.deepEqual(serials(connection?.verdict.chain ?? []), serialsOf(next, authority));
});

test("a server that never finishes its handshake fails the connection in time", async () => {
  const { createServer } = await import("node:net");
  const mute = createServer((socket) => void socket.on("error", () => {}).resume());
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const address = mute.address();
  assert.ok(address !== null && typeof address === "object");
  const failures: { code?: string }[] = [];
  using channel = openChannel(address.port, {
    timeoutMs: 100,
    onFailure: (error) => failures.push(error as { code?: string }),
  });
  await assert.rejects(channel.call());
  assert.equal(failures[0]?.code, "MCA_TLS_TIMEOUT");
  mute.close();
});

test("closing a channel in the middle of a handshake closes its connection", async () => {
  const { createServer } = await import("node:net");
  const arrived = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const mute = createServer((socket) => {
    arrived.resolve();
    socket.on("error", () => {}).resume();
    socket.on("close", () => gone.resolve());
  });
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const address = mute.address();
  assert.ok(address !== null && typeof address === "object");
  const channel = openChannel(address.port, { timeoutMs: 300 });
  const failed = assert.rejects(channel.call());
  await arrived.promise;
  channel.client.close();
  await Promise.all([failed, gone.promise]);
  mute.close();
});

test("a host name is sent as server name, an address is not", async () => {
  await using server = await startEcho();
  for (const [host, expected] of [
    ["localhost", "localhost"],
    ["127.0.0.1", false],
  ] as const) {
    using channel = openChannel(server.port, {}, host);
    assert.equal(await channel.call(), "hello");
    const names = [...server.listener.listener.connections()].map(({ socket }) => Reflect.get(socket, "servername"));
    assert.ok(names.includes(expected), `${host}: ${names}`);
  }
});

test("a proxy in the environment is not used", async (t) => {
  await using server = await startEcho();
  const { createServer } = await import("node:net");
  let proxied = 0;
  const proxy = createServer((socket) => {
    proxied += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  assert.ok(address !== null && typeof address === "object");
  process.env["https_proxy"] = `http://127.0.0.1:${address.port}`;
  t.after(() => {
    delete process.env["https_proxy"];
    proxy.close();
  });
  using channel = openChannel(server.port);
  assert.equal(await channel.call(), "hello");
  assert.equal(proxied, 0);
  (await silentConnection(address.port)).destroy();
});

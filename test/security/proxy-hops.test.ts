// Two proxies in a row, as every call of a mesh has them: an application's outbound listener, over mTLS to the other's inbound one. What
// the second one tells its application is what it verified, and a request that goes round in circles ends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answering, OK } from "../proxy-tls/support/http.ts";
import { DATA, END_STREAM, headers, RST_STREAM } from "../proxy-tls/support/http2-frames.ts";
import { openRawClient } from "../proxy-tls/support/http2-raw.ts";
import { ALLOW_ALL, startProxy } from "../proxy-tls/support/proxy.ts";
import { type Backend, connectPlain, type End, startBackend } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

const CART = "spiffe://example.test/cart";
const SHOP = "spiffe://example.test/shop";

interface Mesh {
  readonly backend: Backend;
  readonly caller: Awaited<ReturnType<typeof startProxy>>;
  readonly called: Awaited<ReturnType<typeof startProxy>>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The cart's proxy with an outbound listener to the shop's, which forwards to `backend`. */
async function startMesh(outbound: object = {}, inbound: object = {}): Promise<Mesh> {
  const backend = await startBackend(answering(OK));
  const called = await startProxy({
    id: "/shop",
    policies: [ALLOW_ALL],
    listeners: [
      {
        ...{ direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0 },
        ...{ target: { port: backend.port }, ...inbound },
      },
    ],
  });
  const caller = await startProxy({
    id: "/cart",
    listeners: [
      {
        ...{ direction: "outbound", name: "out", protocol: "http", listen: { port: 0 }, expect: [SHOP] },
        targets: [{ host: "127.0.0.1", port: called.port("in") }],
        ...{ authorities: ["shop.test", "Shop.Test:8443"], ...outbound },
      },
    ],
  });
  return {
    ...{ backend, caller, called },
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]();
      await called[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

/** Sends a head to an outbound listener and waits for the answer. */
async function call(mesh: Pick<Mesh, "caller">, head: string): Promise<End> {
  const client = await connectPlain({ port: mesh.caller.port("out") });
  client.socket.write(head, "latin1");
  await until(
    () => client.ended || client.closed !== "no" || /\r\n\r\n(?:ok|\{.*\}\n)$/.test(client.text),
    "an answer",
  );
  client.socket.destroy();
  return client;
}

function linesAt(backend: Backend): string[] {
  return backend.ends
    .map((end) => end.text)
    .join("")
    .split("\r\n");
}

describe("Two proxies in a row", () => {
  for (const upstreamProtocol of ["http/1.1", "h2"]) {
    test(`tell the application who called, over ${upstreamProtocol}: the proxy that we verified, not what was said`, async () => {
      await using mesh = await startMesh({ http: { upstreamProtocol } });
      const said = "x-forwarded-client-cert: URI=spiffe://example.test/admin\r\nx-request-id: r-1\r\nvia: 1.0 fred\r\n";
      const client = await call(mesh, `GET /a HTTP/1.1\r\nhost: SHOP.test.:80\r\n${said}\r\n`);
      assert.match(client.text, /^HTTP\/1\.1 200 /);
      const lines = linesAt(mesh.backend);
      assert.ok(lines.includes("host: shop.test"));
      assert.ok(lines.includes("x-request-id: r-1"));
      const xfcc = lines.filter((line) => line.startsWith("x-forwarded-client-cert"));
      assert.equal(xfcc.length, 1);
      assert.match(xfcc[0] ?? "", new RegExp(`^x-forwarded-client-cert: By=${SHOP};Hash=[0-9a-f]{64};URI=${CART}$`));
      const via = lines.filter((line) => line.startsWith("via: "));
      assert.equal(via[0], "via: 1.0 fred");
      assert.match(via[1] ?? "", /^via: 1\.1 mesh-ca-[0-9a-f]{16}$/);
      assert.match(via[2] ?? "", upstreamProtocol === "h2" ? /^via: 2 mesh-ca-/ : /^via: 1\.1 mesh-ca-/);
      assert.notEqual(via[1]?.split(" ")[2], via[2]?.split(" ")[2]);
      const [first, second] = [mesh.caller.observer.exchanges[0], mesh.called.observer.exchanges[0]];
      assert.equal(first?.requestId, "r-1");
      assert.equal(second?.requestId, "r-1");
      assert.equal(first?.traceId, second?.traceId);
      assert.equal(second?.peer, CART);
    });
  }

  test("say nothing of the caller where the listener only sanitizes", async () => {
    await using mesh = await startMesh({}, { forwardedClientCert: "sanitize" });
    await call(mesh, `GET / HTTP/1.1\r\nhost: shop.test\r\nx-forwarded-client-cert: URI=${CART}\r\n\r\n`);
    const lines = linesAt(mesh.backend);
    assert.ok(lines.includes("host: shop.test"));
    assert.deepEqual(
      lines.filter((line) => /^x.forwarded/i.test(line)),
      [],
    );
  });
});

test("a request that comes back to a proxy ends with 508, after one round", async () => {
  // The shop's "application" is the cart's outbound listener, which leads to the shop again.
  const port = await new Promise<number>((resolve) => {
    void startBackend().then(async (backend) => {
      await backend[Symbol.asyncDispose]();
      resolve(backend.port);
    });
  });
  await using mesh = await startMesh({ listen: { port } }, { target: { port } });
  const client = await call(mesh, "GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
  assert.match(client.text, /^HTTP\/1\.1 508 /);
  assert.match(client.text, /MCA_PROXY_LOOP/);
  await until(() => mesh.caller.observer.exchanges.length === 2, "the records");
  assert.equal(mesh.caller.observer.exchanges.filter(({ refusal }) => refusal?.code === "MCA_PROXY_LOOP").length, 1);
});

describe("An outbound listener on TCP lends its identity to whoever reaches it, so it", () => {
  const refusals: readonly (readonly [what: string, head: string, status: number])[] = [
    ["a host that is not configured", "GET / HTTP/1.1\r\nhost: evil.test\r\n\r\n", 421],
    ["a host that only looks like one", "GET / HTTP/1.1\r\nhost: shop.test.evil.test\r\n\r\n", 421],
    ["its own address", "GET / HTTP/1.1\r\nhost: 127.0.0.1:80\r\n\r\n", 421],
    ["another port of a configured host", "GET / HTTP/1.1\r\nhost: shop.test:443\r\n\r\n", 421],
    ["a page's request", "GET / HTTP/1.1\r\nhost: shop.test\r\norigin: https://evil.test\r\n\r\n", 400],
    ["a page's simple request", "GET / HTTP/1.1\r\nhost: shop.test\r\nsec-fetch-site: cross-site\r\n\r\n", 400],
    [
      "an origin hidden by Connection",
      "GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: origin\r\norigin: null\r\n\r\n",
      400,
    ],
    ["a tunnel", "CONNECT shop.test:443 HTTP/1.1\r\nhost: shop.test:443\r\n\r\n", 405],
    ["a proxy's request", "GET http://shop.test/ HTTP/1.1\r\nhost: shop.test\r\n\r\n", 400],
    ["a WebSocket", "GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 400],
  ];
  test("refuses every host that is not configured, and browsers", async () => {
    await using mesh = await startMesh();
    for (const [what, head, status] of refusals) {
      const client = await call(mesh, head);
      assert.equal(client.text.slice(9, 12), `${status}`, what);
    }
    assert.equal(mesh.called.observer.exchanges.length, 0);
    assert.match((await call(mesh, "GET / HTTP/1.1\r\nhost: shop.test:8443\r\n\r\n")).text, /^HTTP\/1\.1 200 /);
    assert.ok(linesAt(mesh.backend).includes("host: shop.test:8443"));
  });

  test("is as strict in HTTP/2, which a page could not speak but a program can", async () => {
    await using mesh = await startMesh();
    const ask2 = async (authority: string, scheme: string, ...fields: string[]) => {
      const { socket, frames } = await openRawClient(mesh.caller.port("out"));
      const pseudo = [":method", "GET", ":scheme", scheme, ":path", "/", ":authority", authority];
      socket.write(headers(1, END_STREAM, ...pseudo, ...fields));
      await frames.find(({ type, flags }) => type === RST_STREAM || (type === DATA && (flags & END_STREAM) !== 0));
      socket.destroy();
      return Buffer.concat(frames.of(1).map(({ payload }) => payload)).toString("latin1");
    };
    assert.match(await ask2("SHOP.test:80", "http"), /ok$/);
    assert.match(await ask2("evil.test", "http"), /MCA_PROXY_MISDIRECTED/);
    assert.match(await ask2("shop.test", "http", "host", "evil.test"), /two-hosts/);
    assert.match(await ask2("shop.test", "https"), /scheme/);
    assert.match(await ask2("shop.test", "http", "origin", "https://evil.test"), /browser/);
    assert.equal(mesh.called.observer.exchanges.length, 1);
  });
});

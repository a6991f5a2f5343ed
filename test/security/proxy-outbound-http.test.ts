// An outbound http listener over raw sockets: a plaintext application on one side, a TLS target on the other. The end of a TLS connection
// can be forged by whoever sits between (a FIN without close_notify looks like a normal end), so nothing may end by it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectPlain, type End, startTlsBackend } from "../proxy-tls/support/sockets.ts";

const GET = "GET /a HTTP/1.1\r\nhost: shop.test\r\n\r\n";

/** The target knows no ALPN. */
async function startOutbound(serve: (end: End<TLSSocket>) => void, http: object = {}, settings: object = {}) {
  const backend = await startTlsBackend(world.identity("/server"), serve);
  const proxy = await startProxy({
    ...{ id: "/caller", settings },
    listeners: [
      {
        ...{ direction: "outbound", name: "out", protocol: "http", listen: { port: 0 }, authorities: ["shop.test"] },
        ...{ targets: [{ host: "127.0.0.1", port: backend.port }], expect: ["spiffe://example.test/server"], http },
      },
    ],
  });
  return {
    proxy,
    backend,
    client: () => connectPlain({ port: proxy.port("out") }),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
    },
  };
}

test("a request goes over mTLS as it was decided, and its answer comes back", async () => {
  await using world = await startOutbound(({ socket }) =>
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nok")),
  );
  const client = await world.client();
  client.socket.write(GET);
  const text = await client.receive(48);
  assert.equal(text, "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nok");
  const [end] = world.backend.ends;
  assert.match(end?.text ?? "", /^GET \/a HTTP\/1\.1\r\nhost: shop\.test\r\n/);
  assert.doesNotMatch(end?.text ?? "", /x-forwarded-client-cert/);
  client.socket.destroy();
});

test("a target that knows no ALPN is no target for HTTP/2 alone", async () => {
  await using world = await startOutbound(() => {}, { upstreamProtocol: "h2" });
  const client = await world.client();
  client.socket.write(GET);
  await client.whenEnded();
  assert.match(client.text, /^HTTP\/1\.1 503 [\s\S]*"reason":"connect-failed"/);
  client.socket.destroy();
});

test("a preface of HTTP/2 that has begun has to come in its time", async () => {
  await using world = await startOutbound(() => {}, {}, { timeouts: { prefaceMs: 100 } });
  const client = await world.client();
  client.socket.write("PRI * HT");
  await client.whenEnded();
  assert.equal(client.text, "");
  client.socket.destroy();
});

describe("a body that ends with the TLS connection", () => {
  for (const version of ["1.0", "1.1"]) {
    test(`is refused in HTTP/${version}, before a byte of it was passed on`, async () => {
      await using world = await startOutbound(({ socket }) =>
        socket.once("data", () => socket.end(`HTTP/${version} 200 OK\r\n\r\npay 100 to alice`)),
      );
      const client = await world.client();
      client.socket.write(GET);
      await client.whenEnded();
      assert.match(client.text, /^HTTP\/1\.1 502 [\s\S]*"reason":"until-close"/);
      assert.doesNotMatch(client.text, /alice/);
      client.socket.destroy();
    });
  }
});

describe("a FIN without close_notify within a response", () => {
  for (const [what, head] of [
    ["of a length", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"],
    ["in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n"],
  ] as const) {
    test(`${what}: the application's connection is reset, and nothing looks complete`, async () => {
      await using world = await startOutbound((end) =>
        end.socket.once("data", () => {
          end.socket.write(`${head}half`);
          setTimeout(() => end.cut(), 30);
        }),
      );
      const client = await world.client();
      client.socket.write(GET);
      await client.whenEnded();
      assert.ok(client.text.startsWith("HTTP/1.1 200 OK"), client.text);
      assert.doesNotMatch(client.text, /\r\n0\r\n/);
      assert.equal(client.error, "ECONNRESET");
    });
  }
});

describe("whoever reaches the listener borrows its identity", () => {
  for (const [what, request, status] of [
    ["a host that is not configured", "GET / HTTP/1.1\r\nhost: admin.test\r\n\r\n", 421],
    ["whoever says who he is in a PROXY header", `PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n${GET}`, 400],
    ["the same in its second version", `\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c${"\x7f".repeat(12)}${GET}`, 400],
    [
      "a page of a browser, by its origin",
      "GET / HTTP/1.1\r\nhost: shop.test\r\norigin: https://evil.test\r\n\r\n",
      400,
    ],
    [
      "a page of a browser, by its fetch",
      "GET / HTTP/1.1\r\nhost: shop.test\r\nsec-fetch-site: cross-site\r\n\r\n",
      400,
    ],
  ] as const) {
    test(`${what} is refused, and the target hears nothing`, async () => {
      await using world = await startOutbound(() => {});
      const client = await world.client();
      client.socket.write(request);
      await client.whenEnded();
      assert.match(client.text, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(world.backend.ends.length, 0);
      client.socket.destroy();
    });
  }
});

// Targets that speak HTTP/2 behind a whole proxy, and callers that do not. A response that has no body ends at its head also where the
// target ends it by a frame of its own, and what HTTP/1.1 would take for framing is never made of it. What is said in one version is said
// in the other to the octet.
import assert from "node:assert/strict";
import { connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { inboundHttp } from "../proxy-tls/support/http.ts";
import { data, END_STREAM, headers } from "../proxy-tls/support/http2-frames.ts";
import { startRawTarget } from "../proxy-tls/support/http2-raw.ts";
import { ALLOW_ALL, startProxy, world } from "../proxy-tls/support/proxy.ts";
import { connectClient, type End } from "../proxy-tls/support/sockets.ts";
import { until } from "../tls/support/endpoints.ts";

/** A proxy before a target that speaks HTTP/2. */
async function startBefore(port: number) {
  const proxy = await startProxy({
    listeners: [inboundHttp(port, { upstreamProtocol: "h2" })],
    policies: [ALLOW_ALL],
  });
  const clients: End[] = [];
  return {
    proxy,
    async dial(alpn: string) {
      const client = await connectClient(proxy.port("in"), world.identity("/client"), { alpn: [alpn] });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of clients) socket.destroy();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

test("a response without a body is a head and nothing else, though its END_STREAM comes in a frame behind it", async () => {
  using target = await startRawTarget();
  await using before = await startBefore(target.port);
  const client = await before.dial("http/1.1");
  let expected = "";
  let index = 0;
  for (const [method, status, fields, head] of [
    ["GET", "204", [], "204 No Content\r\nx-a: 1\r\n\r\n"],
    ["GET", "304", [], "304 Not Modified\r\nx-a: 1\r\n\r\n"],
    ["GET", "304", ["content-length", "7"], "304 Not Modified\r\nx-a: 1\r\ncontent-length: 7\r\n\r\n"],
    ["HEAD", "200", [], "200 OK\r\nx-a: 1\r\n\r\n"],
    ["HEAD", "200", ["content-length", "7"], "200 OK\r\nx-a: 1\r\ncontent-length: 7\r\n\r\n"],
    ["HEAD", "204", [], "204 No Content\r\nx-a: 1\r\n\r\n"],
  ] as const) {
    client.socket.write(`${method} / HTTP/1.1\r\nhost: shop.test\r\n\r\n`);
    const peer = await target.connection(0);
    const stream = await target.requested(peer, index++);
    peer.socket.write(headers(stream, 0, ":status", status, "x-a", "1", ...fields));
    peer.socket.write(data(stream, END_STREAM, ""));
    expected += `HTTP/1.1 ${head}`;
    await until(() => client.length >= expected.length || client.closed !== "no", `${method} ${status}`);
    assert.equal(client.text, expected);
  }
  assert.deepEqual(before.proxy.log.lines, []);
});

for (const [method, status] of [
  ["HEAD", "200"],
  ["GET", "204"],
  ["GET", "304"],
] as const) {
  test(`a body behind the head of ${status} to ${method} goes nowhere, and ends the exchange`, async () => {
    using target = await startRawTarget();
    await using before = await startBefore(target.port);
    const client = await before.dial("http/1.1");
    client.socket.write(`${method} / HTTP/1.1\r\nhost: shop.test\r\n\r\n`);
    const peer = await target.connection(0);
    const stream = await target.requested(peer, 0);
    peer.socket.write(headers(stream, 0, ":status", status));
    peer.socket.write(data(stream, END_STREAM, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"));
    await client.whenEnded();
    assert.doesNotMatch(client.text, /poison/);
    const { exchanges } = before.proxy.observer;
    await until(() => exchanges.length === 1, "the record");
    assert.equal(exchanges[0]?.aborted?.by, "upstream");
  });
}

test("octets beyond ASCII are the same at the other end, and te: trailers goes to HTTP/2 from those who said it", async () => {
  const value = "\xe4 \xa0\xff";
  const seen: (readonly string[])[] = [];
  const server = createServer();
  using _ = { [Symbol.dispose]: () => void server.close() };
  server.on("stream", (stream, _headers, _flags, raw) => {
    seen.push(raw);
    stream.on("error", () => {});
    stream.respond([":status", "200", "x-back", value, "content-length", "2"]);
    stream.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await using before = await startBefore((server.address() as AddressInfo).port);
  const client = await before.dial("http/1.1");
  client.socket.write(`GET / HTTP/1.1\r\nhost: shop.test\r\nx-a: ${value}\r\nte: trailers\r\n\r\n`, "latin1");
  await until(() => client.text.endsWith("ok"), "the answer over HTTP/1.1");
  assert.ok(client.text.includes(`\r\nx-back: ${value}\r\n`));
  const { socket } = await before.dial("h2");
  const session = connect("https://shop.test", { createConnection: () => socket });
  const stream = session.request([":method", "GET", ":path", "/", ":authority", "shop.test", "x-a", value]);
  const back = await new Promise((resolve) => {
    stream.once("response", (_headers, _flags, raw) => resolve(raw[raw.indexOf("x-back") + 1]));
  });
  assert.equal(back, value);
  assert.deepEqual(
    seen.map((raw) => [raw[raw.indexOf("x-a") + 1], raw.includes("te")]),
    [
      [value, true],
      [value, false],
    ],
  );
});

// A 405 of ours says which methods would be taken (RFC 9110 section 15.5.6); no other refusal does.
import assert from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { test } from "node:test";
import { answering, OK, startHttp } from "../support/http.ts";
import { world } from "../support/proxy.ts";
import { connectClient } from "../support/sockets.ts";

const ALLOW = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

test("over HTTP/1.1, and the connection ends", async () => {
  await using served = await startHttp(answering(OK));
  for (const method of ["TRACE", "TRACK", "PRI"]) {
    const client = await served.client();
    client.socket.write(`${method} / HTTP/1.1\r\nhost: a.test\r\n\r\n`);
    await client.whenEnded();
    assert.match(client.text, new RegExp(`^HTTP/1\\.1 405 Method Not Allowed\r\n[\\s\\S]*\r\nallow: ${ALLOW}\r\n`));
  }
  const other = await served.client();
  other.socket.write("GET /%2f HTTP/1.1\r\nhost: a.test\r\n\r\n");
  await other.whenEnded();
  assert.match(other.text, /^HTTP\/1\.1 400 /);
  assert.doesNotMatch(other.text, /allow/);
  assert.equal(served.backend.ends.length, 0);
});

test("over HTTP/2, and the connection goes on", async () => {
  await using served = await startHttp(answering(OK));
  const { socket } = await connectClient(served.proxy.port("in"), world.identity("/client"), { alpn: ["h2"] });
  const session = connectHttp2("https://a.test", { createConnection: () => socket });
  for (const [method, status, allow] of [
    ["TRACE", 405, ALLOW],
    ["CONNECT", 405, ALLOW],
    ["get", 400, undefined],
    ["GET", 200, undefined],
  ] as const) {
    const target = method === "CONNECT" ? { ":authority": "a.test:443" } : { ":path": "/", ":authority": "a.test" };
    const stream = session.request({ ":method": method, ...target });
    const headers = await new Promise<Record<string, unknown>>((resolve) => stream.once("response", resolve));
    stream.resume();
    stream.end();
    assert.deepEqual([headers[":status"], headers["allow"]], [status, allow], method);
    await new Promise((resolve) => stream.once("close", resolve));
  }
  session.destroy();
});

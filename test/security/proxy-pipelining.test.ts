// Clients that send requests ahead of their answers (HTTP engine, "Ends", "Deadlines"): honest ones get every answer, others cost no more
// than a bounded share of memory and time. The server engine alone, on real sockets, and a whole proxy.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { NO_SAFE_FIELDS } from "../../src/proxy-tls/http/fields/safe-fields.ts";
import { answering, GET, OK, startHttp } from "../proxy-tls/support/http.ts";
import { startH1Engine } from "../proxy-tls/support/http1-engines.ts";
import { until } from "../tls/support/endpoints.ts";

const responses = (text: string): number => text.split("HTTP/1.1 200 OK").length - 1;

describe("a client that sends ahead and then its end", () => {
  test("gets the answer to each request", async () => {
    await using world = await startHttp(answering(OK));
    const client = await world.client();
    client.socket.end(GET.repeat(3));
    await client.whenEnded();
    assert.equal(responses(client.text), 3);
    assert.ok(client.ended && client.error === undefined);
  });

  test("gets the answers to whole requests, and the target never sees what was cut", async () => {
    for (const cut of [GET.slice(0, -3), "POST / HTTP/1.1\r\nhost: service.test\r\ncontent-length: 9\r\n\r\nhalf"]) {
      await using world = await startHttp(answering(OK));
      const client = await world.client();
      client.socket.end(GET.repeat(2) + cut);
      await client.whenEnded();
      await client.whenClosed();
      assert.equal(responses(client.text), 2);
      const text = world.backend.ends.map((end) => end.text).join("");
      assert.equal(text.split("GET / HTTP/1.1").length - 1, 2);
      assert.doesNotMatch(text, /half[\s\S]*half/);
    }
  });

  test("after a request that says close nothing more is read", async () => {
    await using world = await startHttp(answering(OK));
    const client = await world.client();
    client.socket.end(GET + GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n") + GET);
    await client.whenEnded();
    assert.equal(responses(client.text), 2);
    assert.equal(world.proxy.observer.exchanges.length, 2);
  });
});

describe("a client that sends ahead and reads nothing", () => {
  test("has no further request forwarded while its answers are not taken, and gets all of them when it reads", async () => {
    const body = "x".repeat(60_000);
    const requests = 800;
    await using world = await startHttp(answering(`HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n${body}`));
    const client = await world.client();
    client.socket.pause();
    client.socket.write(GET.repeat(requests));
    const forwarded = () => world.proxy.observer.exchanges.length;
    let seen = -1;
    while (seen !== forwarded()) {
      seen = forwarded();
      for (let turns = 0; turns < 300; turns++) await turn();
    }
    // What the kernels on the way keep, and one answer.
    assert.ok(seen < requests * 0.75, `${seen} of ${requests}`);
    client.socket.resume();
    await until(() => forwarded() === requests, "all answers");
    await until(() => client.length > requests * 60_000, "all octets");
    assert.equal(responses(client.text), requests);
  });

  test("is not read on, however small the pieces are in which it sends", async () => {
    await using engine = await startH1Engine(() => ({ data() {}, end() {}, aborted() {}, writable() {} }));
    const { client, socket } = await engine.open();
    client.write(GET);
    await until(() => socket.bytesRead === GET.length, "the request");
    for (let sent = 0; sent < 200 && !socket.isPaused(); sent++) {
      const before = socket.bytesRead;
      client.write("G");
      await until(() => socket.bytesRead > before, "one octet more");
    }
    assert.ok(socket.isPaused(), "a hundred pieces are no reason to keep a hundred buffers");
  });

  for (const [what, request, keepAliveMs] of [
    ["that says close", GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"), 60_000],
    ["that may be kept alive", GET, 100],
  ] as const) {
    test(`is ended by the write stall when an answer ${what} is stuck, though the socket asks for no pause`, async () => {
      const timeouts = { writeStallMs: 200, keepAliveMs };
      await using engine = await startH1Engine(
        (exchange, socket) => {
          exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: { kind: "open" }, close: false });
          const piece = Buffer.alloc(1_000);
          const write = (): void => {
            for (let i = 0; i < 20; i++) exchange.write(piece);
            // The kernel takes no more, and what is left is less than the socket would complain of.
            if (socket.writableLength > 0) exchange.end(NO_SAFE_FIELDS);
            else setImmediate(write);
          };
          setImmediate(write);
          return { data() {}, end() {}, aborted() {}, writable() {} };
        },
        { timeouts },
      );
      const { client, socket } = await engine.open();
      client.pause();
      client.write(request);
      await until(() => socket.destroyed, "the end of the connection");
    });
  }
});

describe("a response that must not have a body", () => {
  test("gets none, whatever the other engine hands on", async () => {
    for (const [request, status, kind] of [
      [GET.replace("GET", "HEAD"), 200, "length"],
      [GET, 304, "length"],
      [GET, 204, "none"],
      [GET, 200, "none"],
    ] as const) {
      await using engine = await startH1Engine((exchange) => {
        const body = kind === "length" ? { kind, bytes: 5 } : { kind };
        exchange.respond({ status, fields: NO_SAFE_FIELDS, body, close: false });
        exchange.write(Buffer.from("hello"));
        exchange.end(NO_SAFE_FIELDS);
        return { data() {}, end() {}, aborted() {}, writable() {} };
      });
      const { client, socket } = await engine.open();
      const chunks: Buffer[] = [];
      client.on("data", (chunk: Buffer) => chunks.push(chunk));
      client.write(request);
      await until(() => socket.destroyed, "the connection is cut");
      assert.doesNotMatch(Buffer.concat(chunks).toString("latin1"), /hello/);
    }
  });
});

// The server engine of HTTP/1.1 alone: what it owes a slow reader, and what a fault of whoever handles its requests costs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServerEvents, ServerExchange } from "../../../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS, safe } from "../../../../src/proxy-tls/http/fields/safe-fields.ts";
import { startH1Engine } from "../../support/http1-engines.ts";

const GET = "GET / HTTP/1.1\r\nhost: service.test\r\nconnection: close\r\n\r\n";
const IGNORED: ServerEvents = { data() {}, end() {}, aborted() {}, writable() {} };

test("the last bytes of a connection that closes get the time they need, and the linger begins behind them", async () => {
  const body = Buffer.alloc(24_000_000, "x");
  await using engine = await startH1Engine((exchange) => {
    exchange.respond({
      status: 200,
      fields: NO_SAFE_FIELDS,
      body: { kind: "length", bytes: body.length },
      close: true,
    });
    exchange.write(body);
    exchange.end(NO_SAFE_FIELDS);
    return IGNORED;
  });
  const { client } = await engine.open();
  client.pause();
  client.write(GET);
  await sleep(2_500);
  let received = 0;
  client.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  client.resume();
  await new Promise((resolve) => client.once("close", resolve));
  assert.ok(received > body.length, `${received} of ${body.length}`);
});

test("whoever handles a request and throws ends that connection, and is told; the next one is served", async () => {
  let failing = true;
  await using engine = await startH1Engine((exchange) => {
    if (failing) throw new Error("a fault of the handler");
    exchange.respond({ status: 204, fields: NO_SAFE_FIELDS, body: { kind: "none" }, close: false });
    exchange.end(NO_SAFE_FIELDS);
    return IGNORED;
  });
  const first = await engine.open();
  first.client.write(GET);
  first.client.resume();
  await new Promise((resolve) => first.client.once("close", resolve));
  assert.match(String(engine.faults[0]), /a fault of the handler/);
  failing = false;
  const second = await engine.open();
  second.client.write(GET);
  const [answer] = await Promise.all([new Promise<Buffer>((resolve) => second.client.once("data", resolve))]);
  assert.match(answer.toString("latin1"), /^HTTP\/1.1 204 /);
});

/** What a client reads of the answer to `request` when `act` answers it. */
async function answerTo(request: string, act: (exchange: ServerExchange) => void): Promise<string> {
  await using engine = await startH1Engine((exchange) => {
    act(exchange);
    return IGNORED;
  });
  const { client } = await engine.open();
  let text = "";
  client.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  client.write(request);
  await new Promise((resolve) => client.once("close", resolve));
  assert.deepEqual(engine.faults, []);
  return text;
}

const OPEN = { status: 200, fields: NO_SAFE_FIELDS, body: { kind: "open" }, close: false } as const;

test("a body that is shorter or longer than was announced never ends as a complete one", async () => {
  for (const pieces of [["abc"], ["abc", "defg"], ["abcdef"]]) {
    const text = await answerTo(GET, (exchange) => {
      exchange.respond({ ...OPEN, body: { kind: "length", bytes: 5 } });
      for (const piece of pieces) exchange.write(Buffer.from(piece));
      exchange.end(NO_SAFE_FIELDS);
    });
    assert.ok(!text.includes("\r\n\r\n") || text.split("\r\n\r\n")[1]?.length !== 5, text);
  }
});

test("trailers go to a client that takes them, and to no other", async () => {
  const act = (exchange: ServerExchange): void => {
    exchange.respond(OPEN);
    exchange.write(Buffer.from("body"));
    exchange.end(safe(["grpc-status", "0"]));
  };
  assert.match(await answerTo(GET.replace("host", "te: trailers\r\nhost"), act), /\r\n0\r\ngrpc-status: 0\r\n\r\n$/);
  assert.match(await answerTo(GET, act), /\r\n0\r\n\r\n$/);
});

test("a refusal of HEAD has the length of its body and not the body", async () => {
  const text = await answerTo(GET.replace("GET", "HEAD"), (exchange) =>
    exchange.refuse({ status: 403, code: "MCA_PROXY_DENIED", reason: "denied" }, NO_SAFE_FIELDS),
  );
  assert.match(text, /content-length: [1-9]\d+\r\n[\s\S]*\r\n\r\n$/);
});

test("100 goes to nobody who did not ask for it, and no interim response to HTTP/1.0 or behind the final one", async () => {
  const text = await answerTo(GET, (exchange) => {
    exchange.interim(100, NO_SAFE_FIELDS);
    exchange.interim(103, safe(["link", "</a>"]));
    exchange.respond(OPEN);
    exchange.interim(103, safe(["link", "</b>"]));
    exchange.end(NO_SAFE_FIELDS);
  });
  assert.match(text, /^HTTP\/1.1 103 Early Hints\r\nlink: <\/a>\r\n\r\nHTTP\/1.1 200 OK\r\n/);
  assert.doesNotMatch(text, /<\/b>/);
});

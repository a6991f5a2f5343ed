// Answers that meet the wrong question (HTTP engine, "Upstream connections"): what a target sends behind a response, or while the request is
// still being written, is the next caller's answer if the connection is used again. The client engine alone, on real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientEvents, RequestHead } from "../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS } from "../../src/proxy-tls/http/fields/safe-fields.ts";
import { connectH1Target } from "../proxy-tls/support/http1-engines.ts";
import { until } from "../tls/support/endpoints.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const POISON = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";

function request(changes: Partial<RequestHead> = {}): RequestHead {
  return {
    ...{ version: "1.1", method: "GET", target: "/", path: "/", authority: "service.test", fields: NO_SAFE_FIELDS },
    ...{ body: { kind: "none" }, expectsContinue: false, acceptsTrailers: false, close: false },
    ...changes,
  } as RequestHead;
}

/** Keeps what an exchange is told. */
function listener(onEnd: () => void = () => {}): ClientEvents & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    interim: (status) => void told.push(`interim ${status}`),
    head: ({ status }) => void told.push(`head ${status}`),
    data: (chunk) => void told.push(`data ${Buffer.from(chunk).toString("latin1")}`),
    end() {
      told.push("end");
      onEnd();
    },
    writable: () => void told.push("writable"),
    failed: ({ cause }) => void told.push(`failed ${cause.kind}`),
  };
}

test("octets behind a response end the connection, and the exchange that it was for has ended before", async () => {
  await using world = await connectH1Target();
  const first = listener();
  world.connection.request(request(), first);
  world.target.write(OK + POISON);
  await until(() => world.life.closed, "the end");
  assert.deepEqual(first.told, ["head 200", "data ok", "end"]);
  assert.deepEqual(world.counted, ["idle-upstream-bytes"]);
});

test("a request that is begun at the end of a response does not get what stood behind that as its answer", async () => {
  const second = listener();
  await using world = await connectH1Target(() => {
    if (world.life.idle === 1) world.connection.request(request(), second);
  });
  world.connection.request(request(), listener());
  world.target.write(OK + POISON);
  await until(() => world.life.closed, "the end");
  assert.deepEqual(second.told, ["failed peer-gone"]);
  assert.deepEqual(world.counted, ["idle-upstream-bytes"]);
});

test("octets on an idle connection end it", async () => {
  await using world = await connectH1Target();
  world.connection.request(request(), listener());
  world.target.write(OK);
  await until(() => world.life.idle === 1, "the answer");
  assert.equal(world.connection.capacity, 1);
  world.target.write(POISON);
  await until(() => world.life.closed, "the end");
  assert.equal(world.connection.capacity, 0);
});

test("a connection whose request was not wholly sent when the answer came is not used again", async () => {
  await using world = await connectH1Target();
  world.target.pause();
  const body = Buffer.alloc(16_000_000);
  const early = listener();
  const exchange = world.connection.request(
    request({ method: "POST", body: { kind: "length", bytes: body.length } }),
    early,
  );
  exchange.write(body);
  exchange.end(NO_SAFE_FIELDS);
  await new Promise(setImmediate);
  assert.ok(world.socket.writableLength > 0, "the target has taken all of it");
  world.target.write(OK);
  await until(() => early.told.includes("end"), "the answer");
  assert.equal(world.life.idle, 0);
  assert.equal(world.life.closed, true);
});

test("a body that is not as long as was announced never goes out as a whole request", async () => {
  await using world = await connectH1Target();
  let sent = "";
  world.target.on("data", (chunk: Buffer) => {
    sent += chunk.toString("latin1");
  });
  const head = request({ method: "POST", body: { kind: "length", bytes: 5 } });
  const exchange = world.connection.request(head, listener());
  assert.throws(() => exchange.write(Buffer.from("abcdef")), TypeError);
  exchange.write(Buffer.from("abc"));
  await until(() => sent.endsWith("abc"), "three octets");
  exchange.end(NO_SAFE_FIELDS);
  assert.deepEqual([world.life.closed, world.connection.capacity], [true, 0]);
});

for (const [what, response] of [
  [
    "in HTTP/1.0, whatever it says of the connection",
    "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
  ],
  ["that says close", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\ncontent-length: 2\r\n\r\nok"],
] as const) {
  test(`a connection is not used again after a response ${what}`, async () => {
    await using world = await connectH1Target();
    const events = listener();
    world.connection.request(request(), events);
    world.target.write(response);
    await until(() => world.life.closed, "the end");
    assert.deepEqual(events.told, ["head 200", "data ok", "end"]);
    assert.equal(world.life.idle, 0);
  });
}

test("a body that ends with the connection ends in order, and is an abort where the connection is reset", async () => {
  for (const how of ["end", "resetAndDestroy"] as const) {
    await using world = await connectH1Target();
    const events = listener();
    world.connection.request(request(), events);
    world.target.write("HTTP/1.1 200 OK\r\n\r\nall");
    await until(() => events.told.includes("data all"), "the body");
    world.target[how]();
    await until(() => world.life.closed, "the end");
    assert.deepEqual(events.told, ["head 200", "data all", how === "end" ? "end" : "failed peer-gone"]);
    assert.equal(world.life.idle, 0);
  }
});

test("a response that ends while its taker asks for a pause leaves a connection that is read on", async () => {
  await using world = await connectH1Target();
  const events = listener();
  const exchange = world.connection.request(request(), { ...events, data: () => exchange.pauseBody() });
  world.target.write(OK);
  await until(() => world.life.idle === 1, "the answer");
  assert.equal(world.socket.isPaused(), false);
  world.target.write(POISON);
  await until(() => world.life.closed, "the end");
});

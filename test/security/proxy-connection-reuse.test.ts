// Which connections to a target are used again (HTTP engine, "Upstream connections"): never one that is paused or ended, that has bytes in
// its queues, or whose target may still be about to say something. What it says would be the next caller's answer.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClientEvents } from "../../src/proxy-tls/http/exchange.ts";
import type { ExchangeRecord, Observer } from "../../src/proxy-tls/observe/records.ts";
import { answering, GET, type HttpWorld, OK, startHttp } from "../proxy-tls/support/http.ts";
import { connectH1Target } from "../proxy-tls/support/http1-engines.ts";
import { ClientTold, requestHead } from "../proxy-tls/support/http2-events.ts";
import { until } from "../tls/support/endpoints.ts";

const POST = "POST /second HTTP/1.1\r\nhost: service.test\r\ncontent-length: 2\r\n\r\nhi";
const POISON = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";

/** Told of an exchange in the very read that brought the end of its response. */
function atEnd(act: (record: ExchangeRecord) => void): Observer {
  return { exchange: act, connection() {}, count() {} };
}

/** Sends one request, and another one that has to wait for the only connection. */
async function sendTwo(world: HttpWorld): Promise<{ readonly first: string; readonly second: string }> {
  const [first, second] = [await world.client(), await world.client()];
  first.socket.write(GET);
  const target = await world.backend.end();
  await target.receive(1);
  second.socket.write(POST);
  await until(() => world.proxy.plane.counts()[0]?.exchanges === 2, "both are under way");
  target.socket.write(OK);
  await until(() => first.text.endsWith("ok"), "the first answer");
  await until(() => /\r\n\r\n.+$/.test(second.text), "the second answer");
  return { first: first.text, second: second.text };
}

describe("a connection that has just become free", () => {
  for (const [what, act] of [
    ["another answer", (world: HttpWorld) => world.backend.ends[0]?.socket.write(POISON)],
    ["its end", (world: HttpWorld) => world.backend.ends[0]?.socket.destroy()],
  ] as const) {
    test(`is not given to who waits for it, when the target sends ${what} right behind its answer`, async () => {
      let ended = 0;
      const observer = atEnd(() => {
        // As soon as the answer has been read, in a segment of its own.
        if (ended++ === 0) act(world);
      });
      await using world = await startHttp(
        (end) => {
          if (world.backend.ends.length > 1) answering(OK)(end);
        },
        { observer, settings: { limits: { upstreamConnections: 1 } } },
      );
      const { second } = await sendTwo(world);
      assert.match(second, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
      assert.equal(world.backend.ends.length, 2);
      assert.doesNotMatch(world.backend.ends[0]?.text ?? "", /second/, "the old connection never had it");
      assert.equal(world.proxy.observer.counted("idle-upstream-bytes"), what === "its end" ? 0 : 1);
      assert.equal(world.proxy.observer.counted("retry"), 0);
    });
  }

  test("is given to who waits for it, when nothing comes", async () => {
    await using world = await startHttp(answering(OK), { settings: { limits: { upstreamConnections: 1 } } });
    const clients = await Promise.all([world.client(), world.client(), world.client()]);
    for (const client of clients) client.socket.write(GET);
    for (const client of clients) await until(() => client.text.endsWith("ok"), "an answer");
    assert.equal(world.backend.ends.length, 1);
  });
});

/** Asks for a pause at the first piece of the body. */
function pausing(pause: () => void, onEnd: () => void = () => {}): ClientEvents {
  return { data: pause, end: onEnd, interim() {}, head() {}, writable() {}, failed() {} };
}

/** An exchange that is paused with one octet of its answer missing. */
async function pausedExchange({ connection, socket, target }: Awaited<ReturnType<typeof connectH1Target>>) {
  const exchange = connection.request(
    requestHead({ version: "1.1" }),
    pausing(() => exchange.pauseBody()),
  );
  target.write(OK.slice(0, -1));
  await until(() => socket.isPaused(), "the pause");
  return exchange;
}

test("a connection that was paused is read on when its response has ended, and serves the next request", async () => {
  await using world = await connectH1Target();
  const exchange = await pausedExchange(world);
  world.target.write("k");
  await until(() => world.socket.readableLength > 0, "the rest is queued");
  exchange.resumeBody();
  await until(() => world.life.idle === 1, "the end of the response");
  assert.equal(world.socket.isPaused(), false);
  let answered = false;
  world.connection.request(
    requestHead({ version: "1.1" }),
    pausing(
      () => {},
      () => (answered = true),
    ),
  );
  world.target.write(OK);
  await until(() => answered, "the second answer");
});

test("a response that ended in a pause takes none of the next one's time limits away", async () => {
  await using world = await connectH1Target(() => {}, { streamIdleMs: 50 });
  const first = world.connection.request(
    requestHead({ version: "1.1" }),
    pausing(() => first.pauseBody()),
  );
  world.target.write(OK);
  await until(() => world.life.idle === 1, "the end of the response");
  const told = new ClientTold();
  world.connection.request(requestHead({ version: "1.1" }), told);
  world.target.write(OK.slice(0, -1));
  assert.equal(await told.ended.promise, "timeout");
});

test("a connection is not used again that has bytes queued behind its response, or that its target has ended", async () => {
  for (const how of ["bytes", "end"] as const) {
    await using world = await connectH1Target();
    const exchange = await pausedExchange(world);
    world.target.write("k");
    await until(() => world.socket.readableLength === 1, "the rest is queued");
    if (how === "bytes") {
      world.target.write(POISON);
      await until(() => world.socket.readableLength > 1, "more is queued");
    } else world.target.end();
    exchange.resumeBody();
    await until(() => world.life.closed, "the end of the connection");
    assert.equal(world.connection.capacity, 0);
    if (how === "bytes") assert.equal(world.life.idle, 0, "it was free for a moment");
    assert.deepEqual(world.counted, how === "bytes" ? ["idle-upstream-bytes"] : []);
  }
});

test("a connection is not used again whose target answered before it had the whole request, though both ended in order", async () => {
  // It may never read the rest, and take it for the next request: its answer to that would be the next caller's.
  await using world = await startHttp(({ socket }) =>
    socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\near")),
  );
  const client = await world.client();
  const smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
  client.socket.write(`POST /up HTTP/1.1\r\nhost: service.test\r\ncontent-length: ${smuggled.length + 5}\r\n\r\nbegin`);
  await until(() => client.text.endsWith("ear"), "half an answer");
  client.socket.write(smuggled);
  const target = await world.backend.end();
  await until(() => target.text.endsWith(smuggled), "the whole request");
  target.socket.write("ly");
  await until(() => client.text.endsWith("early"), "the answer");
  await target.whenEnded();
});

// Deadlines of HTTP/1.1 exchanges: who is slow is ended, by its own deadline and by no other, while others are served.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { answering, GET, OK, startHttp } from "../proxy-tls/support/http.ts";
import { connectH1Target } from "../proxy-tls/support/http1-engines.ts";
import { ClientTold, requestHead } from "../proxy-tls/support/http2-events.ts";
import { until } from "../tls/support/endpoints.ts";

const POST = "POST / HTTP/1.1\r\nhost: service.test\r\ncontent-length: 1000\r\n\r\n";

/** Writes a byte every 40 ms until the other side ends it. @returns how long that took */
async function drip(
  end: Awaited<ReturnType<Awaited<ReturnType<typeof startHttp>>["client"]>>,
  bytes: string,
): Promise<number> {
  const started = performance.now();
  for (const byte of bytes) {
    if (end.ended || end.closed !== "no") break;
    end.socket.write(byte);
    await sleep(40);
  }
  return performance.now() - started;
}

describe("a client", () => {
  test("whose head comes a byte at a time is told so at the head's deadline, which later bytes do not extend", async () => {
    await using world = await startHttp(answering(OK), { settings: { timeouts: { headMs: 300 } } });
    const slow = await world.client();
    const took = drip(slow, GET.replace("\r\n\r\n", `\r\nx-long: ${"a".repeat(200)}\r\n\r\n`));
    const good = await world.client("/good");
    good.socket.write(GET);
    await until(() => good.text.endsWith("ok"), "a good client is served");
    await slow.whenEnded();
    assert.ok((await took) < 3_000);
    assert.match(slow.text, /^HTTP\/1.1 408 [\s\S]*"reason":"head-timeout"/);
    assert.equal(world.backend.ends.length, 1);
  });

  test("without a request is ended in order when it is not kept alive any longer, before the first one and between two", async () => {
    await using world = await startHttp(answering(OK), { settings: { timeouts: { keepAliveMs: 200 } } });
    const silent = await world.client();
    const idle = await world.client();
    idle.socket.write(GET);
    await Promise.all([silent.whenEnded(), idle.whenEnded()]);
    assert.equal(silent.text, "");
    assert.ok(idle.text.endsWith("ok"));
    assert.equal(idle.error, undefined);
  });

  test("that stops in its body is ended, and the target with it", async () => {
    await using world = await startHttp(() => {}, { settings: { timeouts: { bodyIdleMs: 200 } } });
    const client = await world.client();
    client.socket.write(`${POST}begin`);
    await client.whenEnded();
    await (await world.backend.end()).whenEnded();
    const [record] = world.proxy.observer.exchanges;
    assert.deepEqual(record?.aborted?.cause, { kind: "timeout", deadline: "body-idle" });
    assert.match(client.text, /^HTTP\/1.1 408 [\s\S]*"reason":"body-idle"/);
    assert.equal(record?.status, 408);
  });

  test("that reads nothing is ended, and the target with it", async () => {
    const body = "x".repeat(30_000_000);
    await using world = await startHttp(answering(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`), {
      settings: { timeouts: { writeStallMs: 300 } },
    });
    const client = await world.client();
    client.socket.pause();
    client.socket.write(GET);
    await until(() => world.proxy.observer.exchanges.length === 1, "the end of the exchange");
    assert.deepEqual(world.proxy.observer.exchanges[0]?.aborted?.cause, { kind: "timeout", deadline: "write-stall" });
  });

  test("that is paused because the target is slow is not blamed for it", async () => {
    await using world = await startHttp(
      (end) => {
        end.socket.pause();
        setTimeout(() => end.socket.resume(), 900);
        end.socket.once("data", () => {});
        void end.receive(3_000_000).then(() => end.socket.write(OK));
      },
      { settings: { timeouts: { bodyIdleMs: 300 } } },
    );
    const client = await world.client();
    client.socket.write("POST / HTTP/1.1\r\nhost: service.test\r\ncontent-length: 3000000\r\n\r\n");
    client.socket.write(Buffer.alloc(3_000_000));
    await until(() => client.text.endsWith("ok"), "the answer");
  });
});

describe("a target", () => {
  test("that does not answer in time is a 504", async () => {
    await using world = await startHttp(() => {}, { settings: { timeouts: { responseMs: 200 } } });
    const client = await world.client();
    client.socket.write(GET);
    await client.whenEnded();
    assert.match(client.text, /^HTTP\/1.1 504 [\s\S]*"reason":"response-timeout"/);
    await (await world.backend.end()).whenEnded();
  });

  for (const status of [102, 103]) {
    test(`whose interim responses (${status}) go on gets no more time by them`, async () => {
      await using world = await startHttp(
        ({ socket }) => {
          // Long before there are too many of them the deadline is over.
          const timer = setInterval(() => socket.write(`HTTP/1.1 ${status} \r\n\r\n`), 100);
          socket.on("close", () => clearInterval(timer));
        },
        { settings: { timeouts: { responseMs: 250 } } },
      );
      const client = await world.client();
      client.socket.write(GET);
      await client.whenEnded();
      assert.match(client.text, /HTTP\/1.1 504 [\s\S]*"reason":"response-timeout"/);
    });
  }

  test("that does not read the request is left", async () => {
    await using world = await connectH1Target(() => {}, { writeStallMs: 100 });
    world.target.pause();
    const told = new ClientTold();
    const body = Buffer.alloc(16_000_000);
    const head = requestHead({ version: "1.1", method: "POST", body: { kind: "length", bytes: body.length } });
    assert.equal(world.connection.request(head, told).write(body), false);
    assert.equal(await told.ended.promise, "timeout");
    assert.deepEqual(told.failure?.cause, { kind: "timeout", deadline: "write-stall" });
  });

  test("that stops in its body is cut at the stream's bound, and one that goes on is not", async () => {
    await using world = await startHttp(
      ({ socket }) =>
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
          let pieces = 0;
          const timer = setInterval(() => {
            pieces += 1;
            if (pieces > 10) clearInterval(timer);
            else socket.write("piece");
          }, 60);
          socket.on("close", () => clearInterval(timer));
        }),
      { settings: { timeouts: { streamIdleMs: 400 } } },
    );
    const client = await world.client();
    client.socket.write(GET);
    await client.whenEnded();
    assert.equal(client.text.match(/piece/g)?.length, 10);
    assert.deepEqual(world.proxy.observer.exchanges[0]?.aborted?.cause, { kind: "timeout", deadline: "body-idle" });
  });

  test("an exchange as a whole has its bound too, whatever moves in it", async () => {
    await using world = await startHttp(
      ({ socket }) =>
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
          const timer = setInterval(() => socket.write("1\r\nx\r\n"), 20);
          socket.on("close", () => clearInterval(timer));
        }),
      { settings: { timeouts: { requestMs: 400 } } },
    );
    const client = await world.client();
    client.socket.write(GET);
    await client.whenEnded();
    assert.doesNotMatch(client.text, /\r\n0\r\n\r\n$/);
    assert.deepEqual(world.proxy.observer.exchanges[0]?.aborted?.cause, { kind: "timeout", deadline: "total" });
  });
});

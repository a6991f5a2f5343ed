// A paused side still notices a close (HTTP engine, "Deadlines"), with every buffer on the way full: the peer of nobody is not kept until
// some other deadline ends it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { GET, startHttp } from "../proxy-tls/support/http.ts";
import { startH1Engine } from "../proxy-tls/support/http1-engines.ts";
import { until } from "../tls/support/endpoints.ts";

const MUCH = Buffer.alloc(40_000_000, "x");

test("a client that is reset while its request waits for a slow target", async () => {
  await using world = await startHttp((end) => void end.socket.pause());
  const client = await world.client();
  client.socket.write(`POST / HTTP/1.1\r\nhost: service.test\r\ncontent-length: ${MUCH.length + 1}\r\n\r\n`);
  client.socket.write(MUCH);
  await sleep(300);
  client.reset();
  await until(() => world.proxy.observer.exchanges.length === 1, "its end is noticed");
  assert.deepEqual(world.proxy.observer.exchanges[0]?.aborted, { by: "downstream", cause: { kind: "peer-gone" } });
});

test("a target that is reset while its response waits for a slow client", async () => {
  await using world = await startHttp((end) =>
    end.socket.once("data", () => {
      end.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${MUCH.length + 1}\r\n\r\n`);
      end.socket.write(MUCH);
      setTimeout(() => end.reset(), 300);
    }),
  );
  const client = await world.client();
  client.socket.pause();
  client.socket.write(GET);
  await until(() => world.proxy.observer.exchanges.length === 1, "its end is noticed");
  assert.deepEqual(world.proxy.observer.exchanges[0]?.aborted, { by: "upstream", cause: { kind: "peer-gone" } });
});

test("a client that is reset while its answer is awaited, though the last piece of its request had to wait", async () => {
  let aborted = 0;
  await using engine = await startH1Engine((exchange) => ({
    data: () => exchange.pauseBody(),
    end() {},
    aborted: () => void aborted++,
    writable() {},
  }));
  const { client, socket } = await engine.open();
  client.write("POST / HTTP/1.1\r\nhost: service.test\r\ncontent-length: 4\r\n\r\nbody");
  await until(() => socket.bytesRead > 60, "the request");
  assert.equal(socket.isPaused(), false);
  client.resetAndDestroy();
  await until(() => aborted === 1, "its end is noticed");
});

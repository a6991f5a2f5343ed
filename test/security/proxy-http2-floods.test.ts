// Floods of HTTP/2 frames: each ends the connection that sends it, costs bounded memory, and leaves a good client on another connection
// served. All of them spend the budget of src/http2.
import assert from "node:assert/strict";
import { connect } from "node:http2";
import { after, before, describe, test } from "node:test";
import { NO_BODY } from "../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS } from "../../src/proxy-tls/http/fields/index.ts";
import { openClientEngine, type ServerEngine, startServerEngine } from "../proxy-tls/support/http2-engines.ts";
import { ClientTold, recordingHandler, requestHead, type ServerTold } from "../proxy-tls/support/http2-events.ts";
import {
  ACK,
  block,
  CONTINUATION,
  DATA,
  data,
  END_STREAM,
  frame,
  GOAWAY,
  HEADERS,
  headers,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  request,
  reset,
  settings,
  windowUpdate,
} from "../proxy-tls/support/http2-frames.ts";
import { openRawClient, type RawPeer, startRawTarget } from "../proxy-tls/support/http2-raw.ts";

const MEBIBYTE = 1024 * 1024;
/** What one flood may add to the resident memory of a process that also writes it. */
const MEMORY_BYTES = 96 * MEBIBYTE;
/** What a peer may send before it is stopped. What only the quarter-second look stops has sent some 70 MiB by then on a fast machine. */
const MAX_SENT_BYTES = 1024 * MEBIBYTE;

function repeated(part: Buffer, times = Math.ceil(32_768 / part.length)): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => part));
}

/** Writes what `next` makes until the other side ends the connection. @returns bytes written */
async function flood({ socket, frames }: RawPeer, next: (round: number) => Buffer): Promise<number> {
  let sent = 0;
  for (let round = 0; !frames.ended && !socket.destroyed && sent < MAX_SENT_BYTES; round++) {
    const chunk = next(round);
    sent += chunk.length;
    if (!socket.write(chunk)) {
      await Promise.race([
        new Promise((resolve) => socket.once("drain", resolve)),
        new Promise((resolve) => socket.once("close", resolve)),
      ]);
    } else await new Promise((resolve) => setImmediate(resolve));
  }
  return sent;
}

/** Frames that bring no stream on, and what has to be there before them. */
const FLOODS: Readonly<Record<string, { readonly first?: Buffer; readonly next: (round: number) => Buffer }>> = {
  PING: { next: () => repeated(frame(PING, 0, 0, Buffer.alloc(8))) },
  SETTINGS: { next: () => repeated(settings([4, 65_535])) },
  "empty SETTINGS": { next: () => repeated(settings()) },
  "WINDOW_UPDATE of the connection": { next: () => repeated(windowUpdate(0, 1)) },
  "WINDOW_UPDATE of a stream": { first: request(1, 0, "POST", "/"), next: () => repeated(windowUpdate(1, 1)) },
  PRIORITY: { next: () => repeated(frame(PRIORITY, 0, 1, Buffer.from([0, 0, 0, 0, 1]))) },
  "unknown frames": { next: () => frame(0x42, 0, 0, Buffer.alloc(16_000)) },
  padding: {
    first: request(1, 0, "POST", "/"),
    next: () =>
      repeated(frame(DATA, PADDED, 1, Buffer.concat([Buffer.from([255]), Buffer.from("x"), Buffer.alloc(255)]))),
  },
  "empty DATA": { first: request(1, 0, "POST", "/"), next: () => repeated(data(1, 0, "")) },
  "streams that are reset": {
    next: (round) =>
      Buffer.concat(
        Array.from({ length: 50 }, (_, index) => {
          const stream = 1 + 2 * (round * 50 + index);
          return Buffer.concat([request(stream, END_STREAM, "GET", "/"), reset(stream, 8)]);
        }),
      ),
  },
  CONTINUATION: {
    first: frame(HEADERS, END_STREAM, 1, block(":method", "GET", ":scheme", "http", ":path", "/")),
    next: () => repeated(frame(CONTINUATION, 0, 1, block("x-field", "y"))),
  },
  "empty CONTINUATION": {
    first: frame(HEADERS, END_STREAM, 1, block(":method", "GET", ":scheme", "http", ":path", "/")),
    next: () => repeated(frame(CONTINUATION, 0, 1)),
  },
  "streams beyond the limit": {
    next: (round) =>
      Buffer.concat(
        Array.from({ length: 50 }, (_, index) => request(1 + 2 * (round * 50 + index), 0, "POST", "/hold")),
      ),
  },
  "malformed requests": {
    next: (round) =>
      Buffer.concat(
        Array.from({ length: 50 }, (_, index) => {
          const fields = block(":method", "GET", ":method", "GET", ":scheme", "http", ":path", "/");
          return frame(HEADERS, END_STREAM | 4, 1 + 2 * (round * 50 + index), fields);
        }),
      ),
  },
  "acknowledgements that nobody waits for": { next: () => repeated(frame(PING, ACK, 0, Buffer.alloc(8))) },
  GOAWAY: { next: () => repeated(frame(GOAWAY, 0, 0, Buffer.alloc(8))) },
};

describe("a flood", () => {
  const recorder = recordingHandler(({ exchange }) => {
    if (exchange.request.path === "/hold") return;
    exchange.respond({ status: 204, fields: NO_SAFE_FIELDS, body: NO_BODY, close: false });
    exchange.end(NO_SAFE_FIELDS);
  });
  let server: ServerEngine;
  before(async () => {
    server = await startServerEngine(recorder.handler);
  });
  after(() => server?.close());

  for (const [of, { first, next }] of Object.entries(FLOODS)) {
    test(`of ${of} ends its connection, and a good client is served meanwhile`, { timeout: 30_000 }, async () => {
      const good = connect(`http://127.0.0.1:${server.port}`);
      good.on("error", () => {});
      let served = 0;
      let ended = false;
      const serving = (async () => {
        do {
          await new Promise<void>((resolve, reject) => {
            const stream = good.request({ ":path": "/" });
            stream.on("response", () => {
              served += 1;
            });
            stream.on("error", reject);
            stream.on("close", resolve);
            stream.resume();
          });
        } while (!ended);
      })();
      globalThis.gc?.();
      const before = process.memoryUsage().rss;
      const bad = await openRawClient(server.port, first);
      const sent = await flood(bad, next);
      ended = true;
      await serving;
      assert.ok(sent < MAX_SENT_BYTES, `${sent} bytes were taken`);
      await bad.frames.closed();
      assert.ok(served > 0, "the good client was not served");
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < MEMORY_BYTES, `memory grew by ${grown} bytes`);
      good.destroy();
      bad.socket.destroy();
      assert.deepEqual(server.faults, []);
    });
  }

  test("is counted where it spent the budget", () => {
    assert.ok(server.counted.filter((event) => event === "h2-flood").length >= 6, server.counted.join());
  });

  test("of a target ends its connection too, and its exchanges with it", async () => {
    for (const part of [frame(PING, 0, 0, Buffer.alloc(8)), settings(), windowUpdate(0, 1), frame(0x42, 0, 0)]) {
      using target = await startRawTarget();
      using client = await openClientEngine(target.port);
      const told = new ClientTold();
      client.connection.request(requestHead(), told);
      const peer = await target.connection(0);
      await target.requested(peer, 0);
      const sent = await flood(peer, () => repeated(part));
      assert.ok(sent < MAX_SENT_BYTES, `${sent} bytes were taken`);
      assert.notEqual(await told.ended.promise, "end");
    }
  });

  test("is not what a long and busy connection is", async () => {
    const { port } = server;
    const session = connect(`http://127.0.0.1:${port}`);
    for (let round = 0; round < 300; round++) {
      await Promise.all(
        Array.from({ length: 10 }, async (_, index) => {
          const stream = session.request({ ":path": "/", "x-large": "y".repeat(index * 200) });
          stream.resume();
          await new Promise((resolve) => stream.on("close", resolve));
          assert.equal(stream.rstCode, 0);
        }),
      );
      if (round % 10 === 0)
        await new Promise<void>((resolve, reject) => session.ping((e) => (e ? reject(e) : resolve())));
    }
    session.destroy();
  });
});

describe("bodies", { concurrency: true }, () => {
  const REFUSAL = { status: 403, code: "MCA_PROXY_DENIED", reason: "denied" } as const;
  const WINDOW = Buffer.alloc(13_107);

  /** Ten uploads at a time, each as far as the window of its stream. */
  const uploads = (method: string): Buffer =>
    Buffer.concat(
      Array.from({ length: 10 }, (_, index) => {
        const stream = 1 + 2 * index;
        return [request(stream, 0, method, "/"), ...Array.from({ length: 5 }, () => data(stream, 0, WINDOW))];
      }).flat(),
    );

  for (const [what, method, act] of [
    ["wait for a target that is slow", "POST", (told: ServerTold) => told.exchange.pauseBody()],
    ["are refused", "POST", (told: ServerTold) => told.exchange.refuse(REFUSAL, NO_SAFE_FIELDS)],
    ["are refused by their heads", "TRACE", () => {}],
  ] as const) {
    test(`of ten uploads that ${what} are no flood: the connection goes on`, async () => {
      const recorder = recordingHandler(act);
      using server = await startServerEngine(recorder.handler);
      const peer = await openRawClient(server.port, uploads(method));
      // Its answer comes when everything before it was read, and judged.
      peer.socket.write(frame(PING, 0, 0, Buffer.alloc(8)));
      await peer.frames.find(({ type }) => type === PING);
      assert.deepEqual(server.counted, []);
      if (method === "POST") assert.equal(recorder.exchanges.length, 10);
      for (const { exchange } of recorder.exchanges) exchange.resumeBody();
      peer.socket.write(frame(PING, 0, 0, Buffer.alloc(8, 1)));
      await peer.frames.find(({ type, payload }) => type === PING && payload[0] === 1);
      assert.deepEqual(server.counted, []);
      assert.equal(peer.frames.ended, false);
      peer.socket.destroy();
    });
  }

  test("of a window of tiny pieces that nobody takes are no flood: they are held together", async () => {
    const recorder = recordingHandler(({ exchange }) => exchange.pauseBody());
    using server = await startServerEngine(recorder.handler);
    const peer = await openRawClient(server.port, request(1, 0, "POST", "/"));
    peer.socket.write(repeated(data(1, 0, "x"), 65_535));
    peer.socket.write(frame(PING, 0, 0, Buffer.alloc(8)));
    await peer.frames.find(({ type }) => type === PING);
    assert.deepEqual(server.counted, []);
    peer.socket.destroy();
  });

  test("of ten answers that nobody wants any more are no flood of their target's", async () => {
    using target = await startRawTarget();
    using client = await openClientEngine(target.port);
    const exchanges = Array.from({ length: 10 }, () => client.connection.request(requestHead(), new ClientTold()));
    const peer = await target.connection(0);
    const last = await target.requested(peer, 9);
    for (const exchange of exchanges) exchange.abort();
    for (let stream = 1; stream <= last; stream += 2) {
      peer.socket.write(headers(stream, 0, ":status", "200"));
      for (let sent = 0; sent < 5; sent += 1) peer.socket.write(data(stream, 0, WINDOW));
    }
    peer.socket.write(frame(PING, 0, 0, Buffer.alloc(8)));
    await peer.frames.find(({ type, flags }) => type === PING && flags === ACK);
    assert.deepEqual(client.counted, []);
    assert.equal(client.connection.capacity, 100);
  });
});

test("a client that never acknowledges our SETTINGS gets no more streams and fields than one that does", async () => {
  const recorder = recordingHandler();
  using server = await startServerEngine(recorder.handler, { streams: 10 });
  const socket = await server.open();
  socket.on("data", () => {});
  const streams = Array.from({ length: 40 }, (_, index) => request(1 + 2 * index, 0, "POST", "/"));
  socket.write(Buffer.concat([PREFACE, settings(), ...streams]));
  await recorder.exchange(9);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(recorder.exchanges.length, 10);
  socket.destroy();
  const many = await server.open();
  many.on("data", () => {});
  const fields = Array.from({ length: 101 }, (_, index) => [`x-${index}`, "y"]).flat();
  many.write(Buffer.concat([PREFACE, settings(), request(1, END_STREAM, "GET", "/", ...fields)]));
  many.write(request(3, END_STREAM, "GET", "/last"));
  const last = await recorder.exchange(10);
  assert.equal(last.exchange.request.path, "/last");
});

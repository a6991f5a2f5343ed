// The server's side of an HTTP/2 connection, seen by clients that write frames: how it begins, what it refuses, its deadlines, its end.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { NO_BODY, OPEN_BODY } from "../../../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS, safe } from "../../../../src/proxy-tls/http/fields/index.ts";
import type { HttpTimeouts } from "../../../../src/proxy-tls/http/timeouts.ts";
import { LONG_TIMEOUTS, startServerEngine } from "../../support/http2-engines.ts";
import { recordingHandler } from "../../support/http2-events.ts";
import {
  ACK,
  block,
  DATA,
  data,
  END_STREAM,
  type Frame,
  frame,
  GOAWAY,
  HEADERS,
  headers,
  PING,
  PREFACE,
  RST_STREAM,
  request,
  SETTINGS,
  settings,
  windowUpdate,
} from "../../support/http2-frames.ts";
import { openRawClient } from "../../support/http2-raw.ts";

const isGoaway = ({ type }: Frame): boolean => type === GOAWAY;
const isReset = ({ type }: Frame): boolean => type === RST_STREAM;

function short(changes: Partial<HttpTimeouts>): HttpTimeouts {
  return { ...LONG_TIMEOUTS, ...changes };
}

describe("an HTTP/2 server connection", () => {
  test("says its limits in its first frame", async () => {
    using server = await startServerEngine(recordingHandler().handler, { streams: 17 });
    const peer = await openRawClient(server.port);
    const { payload } = await peer.frames.find(({ type, flags }) => type === SETTINGS && (flags & ACK) === 0);
    const said = new Map<number, number>();
    for (let at = 0; at < payload.length; at += 6) said.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    assert.equal(said.get(3), 17, "concurrent streams");
    assert.equal(said.get(6), 32_768, "header list");
    assert.equal(said.get(8) ?? 0, 0, "extended CONNECT");
  });

  test("answers with our own refusal, as JSON, and drops the body of what it refused", async () => {
    using server = await startServerEngine(recordingHandler().handler);
    const peer = await openRawClient(server.port, request(1, 0, "TRACE", "/"));
    const { payload, flags } = await peer.frames.find(({ type }) => type === DATA);
    assert.deepEqual(JSON.parse(payload.toString()), { code: "MCA_PROXY_METHOD_REFUSED", reason: "method-refused" });
    assert.equal(flags & END_STREAM, END_STREAM);
    const { payload: code } = await peer.frames.find(isReset);
    assert.equal(code.readUInt32BE(0), 0);
    assert.equal(server.refused[0]?.status, 405);
    peer.socket.write(data(1, 0, "dropped"));
    peer.socket.write(request(3, END_STREAM, "TRACE", "/"));
    await peer.frames.find(({ type, stream }) => type === HEADERS && stream === 3);
  });

  test("refuses in the middle of an exchange with an answer where none was, else with a reset", async () => {
    const recorder = recordingHandler();
    using server = await startServerEngine(recorder.handler);
    const peer = await openRawClient(server.port, request(1, END_STREAM, "GET", "/"));
    const refusal = { status: 503, code: "MCA_PROXY_UPSTREAM_UNAVAILABLE", reason: "test" } as const;
    const first = await recorder.exchange(0);
    first.exchange.refuse(refusal, safe(["x-note", "yes"]));
    const { payload } = await peer.frames.find(({ type }) => type === DATA);
    assert.equal(JSON.parse(payload.toString()).reason, "test");
    peer.socket.write(request(3, END_STREAM, "GET", "/"));
    const second = await recorder.exchange(1);
    second.exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
    second.exchange.refuse(refusal, NO_SAFE_FIELDS);
    const { stream, payload: code } = await peer.frames.find(isReset);
    assert.deepEqual([stream, code.readUInt32BE(0)], [3, 2]);
  });

  test("after an early response sends END_STREAM and then RST_STREAM NO_ERROR, with and without trailers", async () => {
    for (const te of [[], ["te", "trailers"]]) {
      const recorder = recordingHandler();
      using server = await startServerEngine(recorder.handler);
      const peer = await openRawClient(server.port, request(1, 0, "POST", "/", ...te));
      const { exchange, told } = await recorder.exchange(0);
      exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
      exchange.write(Buffer.from("early"));
      exchange.end(te.length === 0 ? NO_SAFE_FIELDS : safe(["grpc-status", "0"]));
      const { payload } = await peer.frames.find(isReset);
      assert.equal(payload.readUInt32BE(0), 0);
      const sent = peer.frames.of(1);
      const ended = sent.findIndex(({ type, flags }) => type !== RST_STREAM && (flags & END_STREAM) !== 0);
      assert.ok(ended !== -1 && ended < sent.findIndex(isReset), "END_STREAM comes first");
      assert.equal(sent[ended]?.type, te.length === 0 ? DATA : HEADERS);
      peer.socket.write(data(1, END_STREAM, "late"));
      peer.socket.write(frame(PING, 0, 0, Buffer.alloc(8)));
      await peer.frames.find(({ type }) => type === PING);
      assert.deepEqual(told, []);
      for (const connection of server.connections) assert.equal(connection.active, 0);
    }
  });

  test("an early response that waits for the client's window is wholly sent before the reset", async () => {
    const recorder = recordingHandler();
    using server = await startServerEngine(recorder.handler);
    const peer = await openRawClient(server.port, Buffer.concat([settings([4, 10]), request(1, 0, "POST", "/")]));
    const { exchange } = await recorder.exchange(0);
    exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
    exchange.write(Buffer.alloc(100, "x"));
    exchange.end(NO_SAFE_FIELDS);
    await peer.frames.find(({ type }) => type === DATA);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(peer.frames.frames.some(isReset), false);
    peer.socket.write(windowUpdate(1, 1000));
    const { payload } = await peer.frames.find(isReset);
    assert.equal(payload.readUInt32BE(0), 0);
    const body = Buffer.concat(peer.frames.of(1).flatMap((got) => (got.type === DATA ? [got.payload] : [])));
    assert.equal(body.length, 100);
  });

  test("sends 100 to a client that waits, once, and none where its body has begun or nobody asked", async () => {
    for (const [fields, begun, expected] of [
      [["expect", "100-continue"], false, 2],
      [["expect", "100-continue"], true, 1],
      [[], false, 1],
    ] as const) {
      const recorder = recordingHandler();
      using server = await startServerEngine(recorder.handler);
      const peer = await openRawClient(server.port, request(1, 0, "POST", "/", ...fields));
      const told = await recorder.exchange(0);
      if (begun) peer.socket.write(data(1, 0, "some"));
      while (begun && told.body.length === 0) await new Promise((resolve) => setImmediate(resolve));
      told.exchange.interim(100, NO_SAFE_FIELDS);
      told.exchange.interim(100, NO_SAFE_FIELDS);
      told.exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: { kind: "length", bytes: 2 }, close: false });
      told.exchange.write(Buffer.from("ok"));
      await peer.frames.find(({ type }) => type === DATA);
      const heads = peer.frames.of(1).filter(({ type }) => type === HEADERS);
      assert.equal(heads.length, expected);
    }
  });

  test("counts trailers into the limits of the head that came, what was removed from it included", async () => {
    const fields = (count: number, name: string) => Array.from({ length: count }, () => [name, "1"]).flat();
    for (const [head, trailers, reason] of [
      [fields(60, "x-a"), fields(40, "x-t"), undefined],
      [fields(60, "x-a"), fields(41, "x-t"), "too-many-fields"],
      [fields(60, "x-forwarded-for"), fields(41, "x-t"), "too-many-fields"],
    ] as const) {
      const recorder = recordingHandler();
      using server = await startServerEngine(recorder.handler);
      const first = [request(1, 0, "POST", "/", ...head), data(1, 0, "x"), headers(1, END_STREAM, ...trailers)];
      await openRawClient(server.port, Buffer.concat(first));
      const told = await recorder.exchange(0);
      assert.equal(await told.ended.promise, reason === undefined ? "end" : "malformed");
      assert.deepEqual(told.trailers, []);
      const { cause } = told;
      assert.equal(cause?.kind === "malformed" ? cause.refusal.reason : undefined, reason);
    }
  });

  test("holds the client back while the handler has paused, by the stream's window alone", async () => {
    const recorder = recordingHandler(({ exchange }) => exchange.pauseBody());
    using server = await startServerEngine(recorder.handler);
    const peer = await openRawClient(server.port, request(1, 0, "POST", "/"));
    const told = await recorder.exchange(0);
    for (let sent = 0; sent < 65_535; sent += 13_107) peer.socket.write(data(1, 0, Buffer.alloc(13_107)));
    await peer.frames.find(({ type, stream }) => type === 8 && stream === 0);
    assert.equal(peer.frames.of(1).length, 0, "no window for the stream");
    assert.deepEqual(told.told, []);
    told.exchange.resumeBody();
    await peer.frames.find(({ type, stream }) => type === 8 && stream === 1);
    assert.equal(told.body.length, 65_535);
  });

  test("tells when a client that took nothing takes again", async () => {
    const recorder = recordingHandler();
    using server = await startServerEngine(recorder.handler);
    const peer = await openRawClient(
      server.port,
      Buffer.concat([settings([4, 0]), request(1, END_STREAM, "GET", "/")]),
    );
    const told = await recorder.exchange(0);
    told.exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
    let accepted = true;
    for (let writes = 0; writes < 100 && accepted; writes++) accepted = told.exchange.write(Buffer.alloc(8192));
    assert.equal(accepted, false);
    peer.socket.write(windowUpdate(1, 1 << 20));
    peer.socket.write(windowUpdate(0, 1 << 20));
    while (!told.told.includes("writable")) await new Promise((resolve) => setImmediate(resolve));
  });

  test("drains in two steps: announces it and takes what was under way, says which was the last, and closes with it", async () => {
    const recorder = recordingHandler();
    using server = await startServerEngine(recorder.handler);
    const peer = await openRawClient(server.port, request(1, 0, "POST", "/"));
    const told = await recorder.exchange(0);
    for (const connection of server.connections) {
      connection.drain();
      connection.drain();
    }
    const { payload } = await peer.frames.find(isGoaway);
    assert.deepEqual([payload.readUInt32BE(0), payload.readUInt32BE(4)], [2 ** 31 - 1, 0], "nothing is refused yet");
    peer.socket.write(request(3, END_STREAM, "GET", "/under-way"));
    const { exchange } = await recorder.exchange(1);
    exchange.respond({ status: 204, fields: NO_SAFE_FIELDS, body: NO_BODY, close: false });
    exchange.end(NO_SAFE_FIELDS);
    const ping = await peer.frames.find(({ type, flags }) => type === PING && (flags & ACK) === 0);
    peer.socket.write(frame(PING, ACK, 0, ping.payload));
    const final = await peer.frames.find((got) => isGoaway(got) && got.payload.readUInt32BE(0) !== 2 ** 31 - 1);
    assert.deepEqual([final.payload.readUInt32BE(0), final.payload.readUInt32BE(4)], [3, 0]);
    peer.socket.write(request(5, END_STREAM, "GET", "/too-late"));
    peer.socket.write(data(1, END_STREAM, "rest"));
    assert.equal(await told.ended.promise, "end");
    told.exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
    told.exchange.write(Buffer.from("body"));
    told.exchange.end(NO_SAFE_FIELDS);
    await peer.frames.closed();
    assert.equal(recorder.exchanges.length, 2);
    assert.ok(peer.frames.of(1).some(({ flags, type }) => type === DATA && (flags & END_STREAM) !== 0));
    assert.equal(peer.frames.of(5).length, 0);
  });

  test("drains where the client does not close its end", async () => {
    using server = await startServerEngine(recordingHandler().handler);
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.write(Buffer.concat([PREFACE, settings()]));
    while (server.connections.size === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const connection of server.connections) connection.drain();
    while (server.connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
  });

  test("ends a body that stopped coming with 408, or with a reset where an answer had begun", async () => {
    for (const responded of [false, true]) {
      const recorder = recordingHandler();
      using server = await startServerEngine(recorder.handler, {
        timeouts: short({ bodyIdleMs: 100, streamIdleMs: 100 }),
      });
      const peer = await openRawClient(server.port, Buffer.concat([request(1, 0, "POST", "/"), data(1, 0, "some")]));
      const told = await recorder.exchange(0);
      if (responded) told.exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
      assert.deepEqual(await told.aborted.promise, { kind: "timeout", deadline: "body-idle" });
      const { payload } = await peer.frames.find(isReset);
      assert.equal(payload.readUInt32BE(0), responded ? 2 : 0);
      assert.equal(
        peer.frames.of(1).some(({ type }) => type === DATA),
        !responded,
      );
    }
  });

  test("does not count the time in which the handler itself had paused", async () => {
    const recorder = recordingHandler(({ exchange }) => exchange.pauseBody());
    using server = await startServerEngine(recorder.handler, { timeouts: short({ bodyIdleMs: 60 }) });
    const peer = await openRawClient(server.port, Buffer.concat([request(1, 0, "POST", "/"), data(1, 0, "some")]));
    const told = await recorder.exchange(0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(told.told, []);
    peer.socket.destroy();
  });

  test("ends a response that nobody takes", async () => {
    const recorder = recordingHandler();
    using server = await startServerEngine(recorder.handler, { timeouts: short({ writeStallMs: 100 }) });
    for (const ended of [false, true]) {
      const peer = await openRawClient(
        server.port,
        Buffer.concat([settings([4, 0]), request(1, END_STREAM, "GET", "/")]),
      );
      const told = await recorder.exchange(ended ? 1 : 0);
      told.exchange.respond({ status: 200, fields: NO_SAFE_FIELDS, body: OPEN_BODY, close: false });
      told.exchange.write(Buffer.alloc(200_000));
      if (ended) told.exchange.end(NO_SAFE_FIELDS);
      assert.deepEqual(await told.aborted.promise, { kind: "timeout", deadline: "write-stall" });
      const { payload } = await peer.frames.find(isReset);
      assert.equal(payload.readUInt32BE(0), 2);
    }
  });

  test("closes a connection without requests, one that says nothing at all, and one that never ends a head", async () => {
    const starts: readonly (readonly [Partial<HttpTimeouts>, Buffer])[] = [
      [{ keepAliveMs: 100 }, Buffer.concat([PREFACE, settings()])],
      [{ headMs: 100 }, PREFACE],
      [
        { headMs: 100 },
        Buffer.concat([PREFACE, settings(), frame(HEADERS, END_STREAM, 1, block(":method", "GET", ":path", "/"))]),
      ],
    ];
    for (const [timeouts, first] of starts) {
      const recorder = recordingHandler();
      using server = await startServerEngine(recorder.handler, { timeouts: short(timeouts) });
      const socket = await server.open();
      const ended = new Promise((resolve) => socket.on("close", resolve));
      socket.on("data", () => {});
      socket.write(first);
      await ended;
      assert.equal(recorder.exchanges.length, 0);
    }
  });

  test("a byte a second does not keep a head alive", async () => {
    using server = await startServerEngine(recordingHandler().handler, { timeouts: short({ headMs: 150 }) });
    const socket = await server.open();
    let open = true;
    socket.on("data", () => {});
    socket.on("close", () => {
      open = false;
    });
    const head = frame(HEADERS, END_STREAM, 1, block(":method", "GET", "x-long", "y".repeat(10_000)));
    socket.write(Buffer.concat([PREFACE, settings(), head.subarray(0, 50)]));
    for (let at = 50; open && at < 1000; at++) {
      socket.write(head.subarray(at, at + 1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(open, false);
  });

  test("a fault of the handler ends its connection and nothing else", async () => {
    using server = await startServerEngine(() => {
      throw new TypeError("a bug");
    });
    const peer = await openRawClient(server.port, request(1, END_STREAM, "GET", "/"));
    await peer.frames.closed();
    assert.equal(String(server.faults[0]), "TypeError: a bug");
    const other = await openRawClient(server.port);
    await other.frames.find(({ type }) => type === SETTINGS);
  });
});
